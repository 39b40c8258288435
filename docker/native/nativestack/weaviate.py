"""Weaviate, built from its Go module: one node, anonymous access, modules for near_text, no telemetry."""

from nativestack.component import Component
from nativestack.probe import LOOPBACK, http_answers, tcp_answers
from nativestack.process import Command


class Weaviate(Component):
    """REST is bound to loopback; Weaviate has no setting to bind gRPC and the cluster's data port."""

    name = "weaviate"
    artefacts = ("weaviate",)
    ports = (
        "weaviate",
        "weaviate-grpc",
        "weaviate-gossip",
        "weaviate-data",
        "weaviate-raft",
        "weaviate-raft-rpc",
    )

    def prepare(self) -> Command:
        data = self.layout.data("weaviate")
        data.mkdir(parents=True, exist_ok=True)
        server = str(self.cache.weaviate / "weaviate-server")
        argv = [server, "--host", LOOPBACK, "--port", str(self.port), "--scheme", "http"]
        return Command(argv, env=self.environment() | self.settings, cwd=data)

    def environment(self) -> dict[str, str]:
        ports = self.layout.ports
        return {
            "PERSISTENCE_DATA_PATH": str(self.layout.data("weaviate")),
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
            "AUTOSCHEMA_ENABLED": "false",
            "DEFAULT_VECTORIZER_MODULE": "none",
            "ENABLE_MODULES": "text2vec-cohere,text2vec-transformers",
            "TRANSFORMERS_INFERENCE_API": f"http://{LOOPBACK}:{ports['embedder']}",
            "TRANSFORMERS_WAIT_FOR_STARTUP": "false",
            "DISABLE_TELEMETRY": "true",
            "GO_PROFILING_DISABLE": "true",
            "GOMEMLIMIT": "1GiB",
            "LOG_LEVEL": "warning",
            "DISK_USE_READONLY_PERCENTAGE": "0",  # a nearly full disk must not turn collections read-only
            "GRPC_PORT": str(ports["weaviate-grpc"]),
            # a cluster of one
            "CLUSTER_HOSTNAME": "node1",
            "CLUSTER_IN_LOCALHOST": "true",
            "CLUSTER_BIND_ADDR": LOOPBACK,
            "CLUSTER_ADVERTISE_ADDR": LOOPBACK,
            "CLUSTER_GOSSIP_BIND_PORT": str(ports["weaviate-gossip"]),
            "CLUSTER_DATA_BIND_PORT": str(ports["weaviate-data"]),
            "RAFT_PORT": str(ports["weaviate-raft"]),
            "RAFT_INTERNAL_RPC_PORT": str(ports["weaviate-raft-rpc"]),
            "RAFT_JOIN": f"node1:{ports['weaviate-raft']}",
            "RAFT_BOOTSTRAP_EXPECT": "1",
            "RAFT_TIMEOUTS_MULTIPLIER": "1",  # 5, the default, waits for other nodes: ready in 9 s, not 3
        }

    def ready(self) -> bool:
        address = f"http://{LOOPBACK}:{self.port}/v1/.well-known/ready"
        return http_answers(address) and tcp_answers(self.layout.ports["weaviate-grpc"])
