-- Since 2015: Lifetimes of certificates
--
-- Question: For how long are certificates issued?
-- Population: distinct first certificates of servers whose TLS handshake completed, self-issued ones apart; in days from the
--   begin to the end of validity.
-- Needs: handshakes
-- Keys: issued

WITH used AS (
    SELECT DISTINCT leaf_sha256 AS sha256 FROM scan_results WHERE tls_version IS NOT NULL
), lives AS (
    SELECT CASE WHEN self_issued THEN 'by itself' ELSE 'by another' END AS issued,
           (epoch(not_after) - epoch(not_before)) / 86400 AS days
    FROM used JOIN certificates USING (sha256) WHERE not_before IS NOT NULL AND not_after IS NOT NULL
)
SELECT issued, count(*) AS certificates, round(median(days))::BIGINT AS median_days,
       pct(count(*) FILTER (days <= 0), count(*)) AS never_pct,
       pct(count(*) FILTER (days > 0 AND days <= 10), count(*)) AS to_10_days_pct,
       pct(count(*) FILTER (days > 10 AND days <= 100), count(*)) AS to_100_days_pct,
       pct(count(*) FILTER (days > 100 AND days <= 398), count(*)) AS to_398_days_pct,
       pct(count(*) FILTER (days > 398 AND days <= 1188), count(*)) AS to_1188_days_pct,
       pct(count(*) FILTER (days > 1188), count(*)) AS longer_pct
FROM lives
GROUP BY issued
ORDER BY issued;
