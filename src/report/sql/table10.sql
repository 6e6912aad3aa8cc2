-- Table X: Combinations of authentication mechanisms on SUBMISSION
--
-- Question: Which lists of mechanisms, in the server's order, do servers advertise inside TLS?
-- Population: servers of SUBMISSION that advertised at least one mechanism inside TLS. The line other adds up
--   the lists below it, and says how many kinds there are.
-- Note: The paper's numbers do not fit each other: its counts add up to 2,912,314, its shares to 100.40 %, and 224,197
--   are 8.05 % of what 2,092,594 are 75.15 % of.
-- Needs: handshakes
-- Keys: mechanisms
-- Paper:
--   mechanisms | servers | servers_pct | kinds
--   PLAIN, LOGIN | 2092594 | 75.15 | -
--   LOGIN, PLAIN | 224197 | 8.51 | -
--   LOGIN, CRAM-MD5, PLAIN | 96322 | 3.45 | -
--   LOGIN, PLAIN, CRAM-MD5 | 45477 | 1.63 | -
--   DIGEST-MD5, CRAM-MD5, PLAIN, LOGIN | 36416 | 1.3 | -
--   CRAM-MD5, PLAIN, LOGIN | 29046 | 1.04 | -
--   PLAIN, LOGIN, CRAM-MD5 | 24914 | 0.89 | -
--   CRAM-MD5, DIGEST-MD5, LOGIN, PLAIN | 19877 | 0.71 | -
--   PLAIN | 17079 | 0.61 | -
--   other | 326392 | 7.11 | 1234

WITH counted AS (
    SELECT array_to_string(auth_after, ', ') AS mechanisms, count(*) AS servers,
           row_number() OVER (ORDER BY count(*) DESC, array_to_string(auth_after, ', ')) AS rank
    FROM scan_results
    WHERE protocol = 'submission' AND tls_version IS NOT NULL AND len(auth_after) > 0
    GROUP BY auth_after
)
SELECT CASE WHEN rank <= coalesce(getvariable('top'), 10) THEN counted.mechanisms ELSE 'other' END AS mechanisms,
       sum(counted.servers)::BIGINT AS servers,
       pct(sum(counted.servers), (SELECT sum(servers) FROM counted)) AS servers_pct,
       CASE WHEN min(rank) > coalesce(getvariable('top'), 10) THEN count(*) END AS kinds
FROM counted
GROUP BY 1
ORDER BY min(rank);
