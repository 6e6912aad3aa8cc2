-- Table IX: Authentication mechanisms on IMAPS
--
-- Question: Which mechanisms do servers advertise inside TLS?
-- Population: servers of IMAPS that advertised at least one mechanism inside TLS. advertised counts servers; the line
--   other adds up the mechanisms below it, and says how many kinds there are.
-- Needs: handshakes
-- Keys: mechanism
-- Paper:
--   mechanism | advertised | servers_pct | kinds
--   PLAIN | 3753658 | 96.66 | -
--   LOGIN | 2430559 | 62.59 | -
--   CRAM-MD5 | 467460 | 12.04 | -
--   CRAM-SHA1 | 186355 | 4.8 | -
--   CRAM-SHA256 | 185427 | 4.77 | -
--   DIGEST-MD5 | 160893 | 4.14 | -
--   GSSAPI | 18851 | 0.49 | -
--   NTLM | 17106 | 0.44 | -
--   X-ZIMBRA | 7582 | 0.2 | -
--   MSN | 4181 | 0.11 | -
--   other | 6773 | 0.17 | 61

WITH offered AS (
    SELECT list_distinct(auth_after) AS mechanisms FROM scan_results
    WHERE protocol = 'imaps' AND tls_version IS NOT NULL AND len(auth_after) > 0
), counted AS (
    SELECT mechanism, count(*) AS advertised, row_number() OVER (ORDER BY count(*) DESC, mechanism) AS rank
    FROM (SELECT unnest(mechanisms) AS mechanism FROM offered) GROUP BY mechanism
)
SELECT CASE WHEN rank <= coalesce(getvariable('top'), 10) THEN counted.mechanism ELSE 'other' END AS mechanism,
       sum(advertised)::BIGINT AS advertised, pct(sum(advertised), (SELECT count(*) FROM offered)) AS servers_pct,
       (SELECT count(*) FROM offered) AS of_servers, CASE WHEN min(rank) > coalesce(getvariable('top'), 10) THEN count(*) END AS kinds
FROM counted
GROUP BY 1
ORDER BY min(rank);
