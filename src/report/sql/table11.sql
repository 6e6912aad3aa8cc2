-- Table XI: Combinations of authentication mechanisms on IMAPS
--
-- Question: Which lists of mechanisms, in the server's order, do servers advertise inside TLS?
-- Population: servers of IMAPS that advertised at least one mechanism inside TLS. The line other adds up
--   the lists below it, and says how many kinds there are.
-- Needs: handshakes
-- Keys: mechanisms
-- Paper:
--   mechanisms | servers | servers_pct | kinds
--   PLAIN, LOGIN | 2222721 | 60.16 | -
--   PLAIN | 982386 | 26.59 | -
--   CRAM-MD5, CRAM-SHA1, CRAM-SHA256, PLAIN | 183813 | 4.97 | -
--   CRAM-MD5, PLAIN | 90341 | 2.45 | -
--   PLAIN, LOGIN, DIGEST-MD5, CRAM-MD5 | 78061 | 2.11 | -
--   LOGIN | 21842 | 0.59 | -
--   CRAM-MD5, PLAIN, LOGIN, DIGEST-MD5 | 16660 | 0.45 | -
--   PLAIN, LOGIN, CRAM-MD5 | 10731 | 0.29 | -
--   CRAM-MD5, PLAIN, LOGIN, DIGEST-MD5, NTLM | 9105 | 0.25 | -
--   PLAIN, X-ZIMBRA | 7569 | 0.2 | -
--   other | 71685 | 1.94 | 1039

WITH counted AS (
    SELECT array_to_string(auth_after, ', ') AS mechanisms, count(*) AS servers,
           row_number() OVER (ORDER BY count(*) DESC, array_to_string(auth_after, ', ')) AS rank
    FROM scan_results
    WHERE protocol = 'imaps' AND tls_version IS NOT NULL AND len(auth_after) > 0
    GROUP BY auth_after
)
SELECT CASE WHEN rank <= coalesce(getvariable('top'), 10) THEN counted.mechanisms ELSE 'other' END AS mechanisms,
       sum(counted.servers)::BIGINT AS servers,
       pct(sum(counted.servers), (SELECT sum(servers) FROM counted)) AS servers_pct,
       CASE WHEN min(rank) > coalesce(getvariable('top'), 10) THEN count(*) END AS kinds
FROM counted
GROUP BY 1
ORDER BY min(rank);
