"""Kafka Connect with the Debezium plugins: one worker, or two of the same group to try a takeover."""

from nativestack.component import QUICK, Component, java_command, write_properties
from nativestack.probe import LOOPBACK, http_answers
from nativestack.process import Command

JSON = "org.apache.kafka.connect.json.JsonConverter"


class Connect(Component):
    name = "connect"
    needs = ("kafka",)
    artefacts = ("jars",)
    ports = ("connect",)

    def prepare(self) -> Command:
        properties = write_properties(self.layout.conf(f"{self.name}.properties"), self.properties() | self.settings)
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        flags = ["-Xms128m", "-Xmx768m", QUICK]
        return Command(java_command(self.layout, self.cache, main, [str(properties)], flags))

    def properties(self) -> dict[str, str]:
        return {
            "bootstrap.servers": f"{LOOPBACK}:{self.layout.ports['kafka']}",
            "group.id": "connect",
            "config.storage.topic": "connect-configs",
            "offset.storage.topic": "connect-offsets",
            "status.storage.topic": "connect-status",
            "config.storage.replication.factor": "1",
            "offset.storage.replication.factor": "1",
            "status.storage.replication.factor": "1",
            "offset.storage.partitions": "1",
            "status.storage.partitions": "1",
            "offset.flush.interval.ms": "5000",
            "key.converter": JSON,
            "value.converter": JSON,
            "plugin.path": str(self.cache.jars / "plugins"),
            "plugin.discovery": "service_load",
            "listeners": f"http://{LOOPBACK}:{self.port}",
            "rest.advertised.host.name": LOOPBACK,
            "rest.advertised.port": str(self.port),
            "connector.client.config.override.policy": "All",
            "scheduled.rebalance.max.delay.ms": "0",
        }

    def ready(self) -> bool:
        return http_answers(f"http://{LOOPBACK}:{self.port}/health")


class SecondConnect(Connect):
    """The second worker: same group, same topics, a port of its own."""

    name = "connect2"
    ports = ("connect2",)
