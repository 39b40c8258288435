"""Which embedder the settings ask for."""

from __future__ import annotations

from difflib import get_close_matches

from sync.embed.base import Embedder
from sync.errors import SettingsError
from sync.settings import Settings

KINDS = ("local", "cohere", "openai")


def embedder(settings: Settings) -> Embedder:
    """The embedder named by HEADRACE_EMBEDDER, ready to use. Raises SettingsError, EmbedderRefused.

    HEADRACE_EMBEDDER_URL is for ``local`` the address where `headrace embedder` listens (Weaviate asks
    there for queries), for the others the service's own address, where it is not its public one.
    """
    own_url = settings.embedder_url if "embedder_url" in settings.model_fields_set else ""
    key = settings.embedder_api_key.get_secret_value() if settings.embedder_api_key else ""
    timeout = settings.request_timeout
    if settings.embedder == "local":
        from sync.embed.local import LocalEmbedder

        return LocalEmbedder(url=settings.embedder_url)
    if settings.embedder == "cohere":
        from sync.embed.cohere import CohereEmbedder  # the SDK costs 30 MB: only where it is used

        return CohereEmbedder(key=key, model=settings.embedder_model, url=own_url, timeout=timeout)
    if settings.embedder == "openai":
        from sync.embed.openai import OpenAIEmbedder

        return OpenAIEmbedder(key=key, model=settings.embedder_model, url=own_url, timeout=timeout)
    nearest = get_close_matches(settings.embedder, KINDS, n=1)
    hint = f", did you mean {nearest[0]!r}?" if nearest else ""
    raise SettingsError(f"HEADRACE_EMBEDDER is none of {', '.join(KINDS)}{hint}")
