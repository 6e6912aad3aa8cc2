-- Table XIII: Combinations of mechanisms before encryption on SUBMISSION, passive
--
-- Question: Which lists of mechanisms, in the server's order, are offered before STARTTLS?
-- Population: monitored connections on SUBMISSION, and their servers (address and port), those without a mechanism
--   included. A server with several lists counts for each; the line other adds up the lists below it.
-- Note: The paper adds: 68.88 % of all servers and 4.94 % of all connections offer mechanisms before STARTTLS; nothing but
--   PLAIN and LOGIN is offered by 39.87 % and in 3.51 %.
-- Needs: connections
-- Keys: mechanisms
-- Paper:
--   mechanisms | connections_pct | servers_pct | kinds
--   PLAIN, LOGIN | 1.82 | 20.86 | -
--   LOGIN, PLAIN | 1.68 | 18.4 | -
--   LOGIN, PLAIN, XAOL-UAS-MB | 0.19 | 1.84 | -
--   PLAIN, LOGIN, XAOL-UAS-MB | 0.16 | 1.84 | -
--   GSSAPI | 0.11 | 1.23 | -
--   GSSAPI, NTLM | 0.1 | 1.84 | -
--   LOGIN, PLAIN, CRAM-MD5 | 0.09 | 3.68 | -
--   DIGEST-MD5, CRAM-MD5 | 0.09 | 0.61 | -
--   CRAM-MD5, DIGEST-MD5 | 0.09 | 0.61 | -
--   PLAIN, LOGIN, CRAM-MD5 | 0.08 | 0.61 | -
--   other | 1.09 | 14.68 | 17

WITH submissions AS (
    SELECT server_ip, server_port, auth_before FROM monitored WHERE protocol = 'submission'
), whole AS (
    SELECT count(*) AS connections, count(DISTINCT (server_ip, server_port)) AS servers FROM submissions
), counted AS (
    SELECT array_to_string(auth_before, ', ') AS mechanisms, count(*) AS connections,
           count(DISTINCT (server_ip, server_port)) AS servers,
           row_number() OVER (ORDER BY count(*) DESC, array_to_string(auth_before, ', ')) AS rank
    FROM submissions WHERE len(auth_before) > 0 GROUP BY auth_before
)
SELECT CASE WHEN rank <= coalesce(getvariable('top'), 10) THEN counted.mechanisms ELSE 'other' END AS mechanisms,
       sum(counted.connections)::BIGINT AS connections,
       pct(sum(counted.connections), (SELECT whole.connections FROM whole)) AS connections_pct,
       (SELECT whole.connections FROM whole) AS of_connections,
       sum(counted.servers)::BIGINT AS servers, pct(sum(counted.servers), (SELECT whole.servers FROM whole)) AS servers_pct,
       (SELECT whole.servers FROM whole) AS of_servers, CASE WHEN min(rank) > coalesce(getvariable('top'), 10) THEN count(*) END AS kinds
FROM counted
GROUP BY 1
ORDER BY min(rank);
