"""The airline's documents rendered by the databases from their rows: nothing of Headrace's own code takes part.

Each statement gives a document's key, its text, and the values of its `filters:` as text, moments in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

BOOKING_FILTERS = ("pnr", "booked_at", "customer_tier_cd")
FLIGHT_FILTERS = ("flight_no", "origin", "dest", "std", "status_cd")


@dataclass(frozen=True)
class InSQL:
    bookings: str
    flights: str


_POSTGRES_BOOKINGS = """
with leg as (
  select t.booking_id, string_agg(
    'Leg ' || t.seq_no || ': flight ' || coalesce(f.flight_no, 'not recorded')
    || ' from ' || coalesce(f.origin, 'not recorded') || ' to ' || coalesce(f.dest, 'not recorded') || E',\n'
    || coalesce(to_char(f.std at time zone 'UTC', 'FMDD FMMonth YYYY, HH24:MI') || ' UTC', 'not recorded') || ', '
    || coalesce(to_char(f.dist_nm, 'FM999,999') || ' nautical miles', 'not recorded') || ', '
    || case t.fare_cd when 'Y' then 'economy' when 'J' then 'business' when 'F' then 'first' end || E' class,\n'
    || 'checked baggage ' || coalesce(trim(trailing '.' from to_char(t.bag_wt, 'FM999,990.0')) || ' kg', 'none')
    || '. Status: ' || coalesce(case f.status_cd when 'ON' then 'on time' when 'OFF' then 'off block'
         when 'DL' then 'delayed' when 'CX' then 'cancelled' end, 'not recorded') || '.',
    E'\n' order by t.seq_no) as legs
  from tickets t left join flights f using (flight_id) group by t.booking_id)
select b.booking_id::text, 'Booking ' || b.pnr || E'\n'
  || 'Booking ' || b.pnr || ' was made on '
  || to_char(b.booked_at at time zone 'UTC', 'FMDD FMMonth YYYY, HH24:MI') || ' UTC by '
  || coalesce(left(c.full_name, 1) || '.', 'not recorded') || E',\na '
  || coalesce(case c.tier_cd when 'B' then 'Blue' when 'S' then 'Silver' when 'G' then 'Gold' end, 'not recorded')
  || ' member, for ' || to_char(b.total_amt / 100.0, 'FM999,999,990.00') || ' EUR.'
  || coalesce(E'\n' || leg.legs, ''),
  b.pnr, to_char(b.booked_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  case c.tier_cd when 'B' then 'Blue' when 'S' then 'Silver' when 'G' then 'Gold' end
from bookings b left join customers c using (customer_id) left join leg using (booking_id)
"""

_POSTGRES_FLIGHTS = """
select flight_id::text, 'Flight ' || flight_no || ' on ' || moment || E'\n'
  || 'Flight ' || flight_no || ' leaves ' || origin || ' for ' || dest || ' on ' || moment
  || ', over ' || to_char(dist_nm, 'FM999,999') || E' nautical miles.\nStatus: ' || status || '.',
  flight_no, origin, dest, to_char(std at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), status
from flights,
  lateral (select to_char(std at time zone 'UTC', 'FMDD FMMonth YYYY, HH24:MI') || ' UTC' as moment,
    case status_cd when 'ON' then 'on time' when 'OFF' then 'off block'
      when 'DL' then 'delayed' when 'CX' then 'cancelled' end as status) as words
"""
_MARIADB_BOOKINGS = """
with leg as (
  select t.booking_id, group_concat(
    'Leg ', t.seq_no, ': flight ', coalesce(f.flight_no, 'not recorded'),
    ' from ', coalesce(f.origin, 'not recorded'), ' to ', coalesce(f.dest, 'not recorded'), ',\n',
    coalesce(concat(date_format(f.std, '%e %M %Y, %H:%i'), ' UTC'), 'not recorded'), ', ',
    coalesce(concat(format(f.dist_nm, 0), ' nautical miles'), 'not recorded'), ', ',
    case t.fare_cd when 'Y' then 'economy' when 'J' then 'business' when 'F' then 'first' end, ' class,\n',
    'checked baggage ', coalesce(concat(format(t.bag_wt, 1), ' kg'), 'none'),
    '. Status: ', coalesce(case f.status_cd when 'ON' then 'on time' when 'OFF' then 'off block'
         when 'DL' then 'delayed' when 'CX' then 'cancelled' end, 'not recorded'), '.'
    order by t.seq_no separator '\n') as legs
  from tickets t left join flights f using (flight_id) group by t.booking_id)
select cast(b.booking_id as char), concat('Booking ', b.pnr, '\n',
  'Booking ', b.pnr, ' was made on ', date_format(b.booked_at, '%e %M %Y, %H:%i'), ' UTC by ',
  coalesce(concat(left(c.full_name, 1), '.'), 'not recorded'), ',\na ',
  coalesce(case c.tier_cd when 'B' then 'Blue' when 'S' then 'Silver' when 'G' then 'Gold' end, 'not recorded'),
  ' member, for ', format(b.total_amt / 100.0, 2), ' EUR.',
  coalesce(concat('\n', leg.legs), '')),
  b.pnr, date_format(b.booked_at, '%Y-%m-%dT%H:%i:%s.%fZ'),
  case c.tier_cd when 'B' then 'Blue' when 'S' then 'Silver' when 'G' then 'Gold' end
from bookings b left join customers c using (customer_id) left join leg using (booking_id)
"""

_MARIADB_FLIGHTS = """
select cast(flight_id as char), concat('Flight ', flight_no, ' on ', moment, '\n',
  'Flight ', flight_no, ' leaves ', origin, ' for ', dest, ' on ', moment,
  ', over ', format(dist_nm, 0), ' nautical miles.\nStatus: ', status, '.'),
  flight_no, origin, dest, date_format(std, '%Y-%m-%dT%H:%i:%s.%fZ'), status
from (select f.*, concat(date_format(std, '%e %M %Y, %H:%i'), ' UTC') as moment,
    case status_cd when 'ON' then 'on time' when 'OFF' then 'off block'
      when 'DL' then 'delayed' when 'CX' then 'cancelled' end as status
  from flights f) as words
"""
POSTGRES = InSQL(_POSTGRES_BOOKINGS, _POSTGRES_FLIGHTS)
MARIADB = InSQL(_MARIADB_BOOKINGS, _MARIADB_FLIGHTS)

# What the mapping's own words read like: no row says them, so they are written out here.
TERMS = {
    "term:PNR": "PNR\nPNR: six-character booking reference shown to the passenger",
    "table:customers": """customers
customers: a table.
customer number (column customer_id).
name (column full_name); private: only the first character is kept.
passport (column passport_no); private: only a token is kept.
loyalty tier (column tier_cd).""",
    "values:customers.tier_cd": """loyalty tier of customers
Codes of loyalty tier (customers.tier_cd).
B means Blue.
S means Silver.
G means Gold.""",
    "table:flights": """flights
flights: a table.
flight id.
flight number (column flight_no).
from (column origin).
to (column dest).
scheduled departure (column std).
distance (column dist_nm); in nautical miles.
status (column status_cd).""",
    "values:flights.status_cd": """status of flights
Codes of status (flights.status_cd).
ON means on time.
OFF means off block.
DL means delayed.
CX means cancelled.""",
    "table:bookings": """bookings
bookings: a table.
Also called reservation, PNR.
booking id.
booking reference (column pnr).
customer number (column customer_id).
booked at.
total price (column total_amt); in EUR.""",
    "table:tickets": """tickets
tickets: a table.
booking id.
leg (column seq_no).
flight id.
fare (column fare_cd).
checked baggage (column bag_wt); in kg; empty reads as "none".""",
    "values:tickets.fare_cd": """fare of tickets
Codes of fare (tickets.fare_cd).
Y means economy.
J means business.
F means first.""",
}
