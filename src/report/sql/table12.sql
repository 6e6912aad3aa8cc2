-- Table XII: Authentication mechanisms before encryption on SUBMISSION, passive
--
-- Question: Which mechanisms do servers offer before STARTTLS?
-- Population: monitored connections on SUBMISSION, and their servers (address and port), those without a mechanism
--   included.
-- Needs: connections
-- Keys: mechanism
-- Paper:
--   mechanism | connections_pct | servers_pct
--   PLAIN | 4.4 | 39
--   LOGIN | 4.3 | 37
--   CRAM-MD5 | 0.7 | 10
--   DIGEST-MD5 | 0.5 | 3.7
--   XAOL-UAS-MB | 0.4 | 1.8
--   GSSAPI | 0.3 | 4.3
--   NTLM | 0.3 | 3.7
--   XOAUTH2 | 0.03 | 1.2
--   XYMCOOKIE | 0.01 | 0.6

WITH submissions AS (
    SELECT server_ip, server_port, list_distinct(auth_before) AS mechanisms FROM monitored WHERE protocol = 'submission'
), whole AS (
    SELECT count(*) AS connections, count(DISTINCT (server_ip, server_port)) AS servers FROM submissions
), offered AS (
    SELECT server_ip, server_port, unnest(mechanisms) AS mechanism FROM submissions
)
SELECT mechanism, count(*) AS connections, pct(count(*), (SELECT whole.connections FROM whole)) AS connections_pct,
       (SELECT whole.connections FROM whole) AS of_connections,
       count(DISTINCT (server_ip, server_port)) AS servers,
       pct(count(DISTINCT (server_ip, server_port)), (SELECT whole.servers FROM whole)) AS servers_pct,
       (SELECT whole.servers FROM whole) AS of_servers
FROM offered
GROUP BY mechanism
ORDER BY 2 DESC, mechanism
LIMIT (SELECT coalesce(getvariable('top'), 10));
