-- Table VIII: Authentication mechanisms on SUBMISSION
--
-- Question: Which mechanisms do servers advertise inside TLS?
-- Population: servers of SUBMISSION that advertised at least one mechanism inside TLS. advertised counts servers; the line
--   other adds up the mechanisms below it, and says how many kinds there are.
-- Needs: handshakes
-- Keys: mechanism
-- Paper:
--   mechanism | advertised | servers_pct | kinds
--   PLAIN | 2764157 | 99.27 | -
--   LOGIN | 2760100 | 99.15 | -
--   CRAM-MD5 | 431634 | 15.5 | -
--   DIGEST-MD5 | 230152 | 8.26 | -
--   OTP | 19850 | 0.71 | -
--   GSSAPI | 16555 | 0.59 | -
--   NTLM | 13663 | 0.49 | -
--   XOAUTH2 | 3118 | 0.11 | -
--   PLAIN-CLIENTTOKEN | 1642 | 0.05 | -
--   XOAUTH | 1641 | 0.05 | -
--   other | 5329 | 0.19 | 591

WITH offered AS (
    SELECT list_distinct(auth_after) AS mechanisms FROM scan_results
    WHERE protocol = 'submission' AND tls_version IS NOT NULL AND len(auth_after) > 0
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
