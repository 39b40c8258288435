"""MariaDB as a source; MySQL shares all of it but what connectors/mysql says."""
