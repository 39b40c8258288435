"""Which embedder the settings ask for."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from sync.embed.choose import embedder
from sync.embed.cohere import CohereEmbedder
from sync.embed.local import LocalEmbedder
from sync.embed.openai import OpenAIEmbedder
from sync.errors import SettingsError
from sync.settings import Settings

KEY = SecretStr("k-secret")


def test_local_is_the_default_and_knows_where_weaviate_reaches_it() -> None:
    made = embedder(Settings(embedder="local"))
    assert isinstance(made, LocalEmbedder)
    assert made.describe().url == "http://127.0.0.1:8090"


def test_the_local_address_is_not_taken_for_the_one_of_a_service() -> None:
    made = embedder(Settings(embedder="cohere", embedder_api_key=KEY))
    assert isinstance(made, CohereEmbedder)
    assert made._url == ""
    made.close()
    other = embedder(Settings(embedder="openai", embedder_api_key=KEY))
    assert isinstance(other, OpenAIEmbedder)
    assert str(other._client.base_url) == "https://api.openai.com"
    other.close()


@pytest.mark.parametrize("url", ["http://gpu:8000", "http://gpu:8000/", "http://gpu:8000/v1", "http://gpu:8000/v1/"])
def test_an_openai_server_is_named_with_or_without_its_version(url: str) -> None:
    made = embedder(Settings(embedder="openai", embedder_url=url, embedder_model="bge-m3"))
    assert isinstance(made, OpenAIEmbedder)
    assert made._url == "http://gpu:8000"
    made.close()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"embedder": "coher"}, "did you mean 'cohere'"),
        ({"embedder": "cohere"}, "HEADRACE_EMBEDDER_API_KEY is not set"),
        ({"embedder": "openai"}, "HEADRACE_EMBEDDER_API_KEY or HEADRACE_EMBEDDER_URL"),
        ({"embedder": "openai", "embedder_url": "http://gpu:8000"}, "HEADRACE_EMBEDDER_MODEL"),
    ],
)
def test_what_is_missing_is_named(settings: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        embedder(Settings(**settings))  # type: ignore[arg-type]
