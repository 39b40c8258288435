"""Kafka: one node that is broker and controller at once (KRaft)."""

import base64
import shutil
import uuid

from nativestack.component import QUICK, Component, java_command, run_once, write_properties
from nativestack.probe import LOOPBACK, kafka_has_a_broker
from nativestack.process import Command

LARGEST_MESSAGE = str(32 * 1024 * 1024)  # a row may be as large as a topic and its producer are then told to allow


class Kafka(Component):
    name = "kafka"
    artefacts = ("jars",)
    ports = ("kafka", "kafka-controller")

    def prepare(self) -> Command:
        properties = write_properties(self.layout.conf("kafka.properties"), self.properties() | self.settings)
        data = self.layout.data("kafka")
        if not self.initialised.exists():
            shutil.rmtree(data, ignore_errors=True)
            format_ = ["format", "-t", cluster_id(), "-c", str(properties)]
            main = "kafka.tools.StorageTool"
            argv = java_command(self.layout, self.cache, main, format_, ["-Xmx128m", QUICK])
            run_once(argv, self.layout.log("kafka"), "kafka: formatting the storage")
            self.initialised.touch()
        memory = ["-Xms256m", "-Xmx512m", QUICK]
        return Command(java_command(self.layout, self.cache, "kafka.Kafka", [str(properties)], memory))

    def properties(self) -> dict[str, str]:
        broker = f"{LOOPBACK}:{self.layout.ports['kafka']}"
        controller = f"{LOOPBACK}:{self.layout.ports['kafka-controller']}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.layout.data("kafka")),
            "auto.create.topics.enable": "false",
            "message.max.bytes": LARGEST_MESSAGE,
            "replica.fetch.max.bytes": LARGEST_MESSAGE,
            # one node: nothing to replicate to, nobody to wait for
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "group.initial.rebalance.delay.ms": "0",
            # after kill -9 the controller waits for the old session to end before the broker may come back
            "broker.session.timeout.ms": "5000",
            "broker.heartbeat.interval.ms": "1000",
            # a small machine
            "num.network.threads": "2",
            "num.io.threads": "4",
            "log.cleaner.dedupe.buffer.size": "16777216",
        }

    def ready(self) -> bool:
        return kafka_has_a_broker(self.port)


def cluster_id() -> str:
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):  # the tool would take it for an option
            return text
