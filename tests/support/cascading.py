"""An airline whose foreign keys carry rows along, and traffic that lets them: PostgreSQL logs it, MariaDB does not."""

from __future__ import annotations

from tests.support.session import Session
from tests.support.traffic import Traffic

RULES = {
    "postgres": """
        alter table bookings drop constraint bookings_customer_id_fkey,
          add foreign key (customer_id) references customers on delete cascade on update cascade;
        alter table tickets drop constraint tickets_booking_id_fkey, drop constraint tickets_flight_id_fkey,
          alter column flight_id drop not null,
          add foreign key (booking_id) references bookings on delete cascade on update cascade,
          add foreign key (flight_id) references flights on delete set null on update cascade""",
    "mariadb": """
        alter table bookings drop foreign key bookings_customer_id_fkey;
        alter table bookings add foreign key (customer_id) references customers (customer_id)
          on delete cascade on update cascade;
        alter table tickets drop foreign key tickets_booking_id_fkey, drop foreign key tickets_flight_id_fkey;
        alter table tickets modify flight_id int unsigned null,
          add foreign key (booking_id) references bookings (booking_id) on delete cascade on update cascade,
          add foreign key (flight_id) references flights (flight_id) on delete set null on update cascade;
        create table luggage (id int primary key, booking_id int not null,
          foreign key (booking_id) references bookings (booking_id) on delete cascade on update cascade);
        insert into luggage select booking_id, booking_id from bookings""",  # not in the mapping
}
RULES["mysql"] = RULES["mariadb"]


class Cascading(Traffic):
    """As `Traffic`, on an airline with ``RULES``; counts the rows that its statements name, not what goes with them."""

    def _kinds(self) -> list[str]:
        """As many bookings come as go."""
        more = ["join", "leave", "schedule", "renumber", "renumber", "vanish", "vanish", "insert", "insert", "insert"]
        return [*super()._kinds(), *more]

    def _join(self, connection: Session) -> int:
        """A new customer takes a booking over."""
        customer, booking = self._number(), self._booking(connection)
        connection.execute(
            "insert into customers (customer_id, full_name, tier_cd) values (%s, 'Newly Come', 'B')", [customer]
        )
        moved = connection.execute(
            "update bookings set customer_id = %s where booking_id = %s", [customer, booking]
        ).rowcount
        return 1 + moved

    def _leave(self, connection: Session) -> int:
        """A customer goes, with bookings and their tickets: one who has none that stays."""
        customer = self._some(connection, "customers", "customer_id")
        return connection.execute(
            "delete from customers where customer_id = %s and customer_id not in"
            " (select customer_id from bookings where booking_id <= %s)",
            [customer, self.kept],
        ).rowcount

    def _schedule(self, connection: Session) -> int:
        """A flight goes, and its tickets have none; another one comes."""
        gone, number = self._some(connection, "flights", "flight_id"), self._number()
        connection.execute(
            "insert into flights (flight_id, flight_no, origin, dest, std, dist_nm, status_cd)"
            " values (%s, %s, 'FCO', 'MUC', '2026-03-02 09:00:00', 400, 'ON')",
            [number, f"HR {number % 1000}"],
        )
        return 1 + connection.execute("delete from flights where flight_id = %s", [gone]).rowcount

    def _renumber(self, connection: Session) -> int:
        """A key changes that others refer to; a booking's is part of its tickets'."""
        table, key, above = self.chance.choice(
            [("customers", "customer_id", 0), ("flights", "flight_id", 0), ("bookings", "booking_id", self.kept)]
        )
        old = self._some(connection, table, key, above)
        return connection.execute(f"update {table} set {key} = %s where {key} = %s", [self._number(), old]).rowcount

    def _vanish(self, connection: Session) -> int:
        """A booking is changed, then goes with its tickets, in one transaction."""
        booking = self._booking(connection)
        connection.execute("update tickets set bag_wt = 9.5 where booking_id = %s", [booking])
        return connection.execute("delete from bookings where booking_id = %s", [booking]).rowcount
