"""Every setting of Headrace, declared once: environment variables ``HEADRACE_*`` or a ``.env`` file."""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a process of Headrace reads from its environment; `headrace doctor` lists it."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_", env_file=".env", extra="ignore")

    kafka: str = Field("127.0.0.1:9092", description="Kafka's bootstrap servers, host:port[,host:port]")
    connect_url: str = Field("http://127.0.0.1:8083", description="Kafka Connect's REST API")
    weaviate_url: str = Field("http://127.0.0.1:8080", description="Weaviate's HTTP address")
    weaviate_grpc_port: int = Field(50051, description="Weaviate's gRPC port, on the same host")
    weaviate_grpc_url: str = Field(
        "", description="Weaviate's gRPC address where it is on another host: https://grpc.example:443"
    )
    weaviate_api_key: SecretStr | None = Field(None, description="Weaviate's API key, where it asks for one")
    state_url: str = Field(
        "sqlite:///headrace-state.db", description="the state database: SQLite (one worker) or PostgreSQL"
    )
    embedder: str = Field("local", description="who embeds: local, cohere, or openai (any server of /v1/embeddings)")
    embedder_url: str = Field(
        "http://127.0.0.1:8090", description="where `headrace embedder` listens, or the embedder's own address"
    )
    embedder_model: str = Field("", description="the embedder's model, where it has several")
    embedder_api_key: SecretStr | None = Field(None, description="the embedder's API key")
    privacy_salt: SecretStr | None = Field(None, description="salt of the tokens made of `hash` columns")
    max_text_bytes: int = Field(
        2_000_000, description="a longer mapped value is not stored: documents that read it are parked", ge=1000
    )
    max_record_bytes: int = Field(
        16_777_216, description="largest row that connector and topic carry; the broker must allow as much"
    )
    write_lanes: int = Field(3, description="documents are built and written by so many threads", ge=1, le=16)
    write_batch: int = Field(256, description="documents built together, at most", ge=1, le=2000)
    request_timeout: float = Field(30.0, description="seconds that a request to Weaviate may take")
    check_every: float = Field(
        30.0, description="seconds between two looks whether Weaviate's collections are as they were left", gt=0
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
