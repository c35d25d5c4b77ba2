--
-- PostgreSQL database cluster dump
--

\restrict 1OYYFp6KQdAYXaaF1Y9IBZMTOiXVigZguj6uVdUT34wvFobW1EByFxmH3icZRp8

SET default_transaction_read_only = off;

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

--
-- Roles
--

CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS;

--
-- User Configurations
--








\unrestrict 1OYYFp6KQdAYXaaF1Y9IBZMTOiXVigZguj6uVdUT34wvFobW1EByFxmH3icZRp8

--
-- PostgreSQL database cluster dump complete
--

