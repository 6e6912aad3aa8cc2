-- Since 2015: Certificates that a monitor can no longer see
--
-- Question: How many connections show the server's certificate?
-- Population: monitored connections that came to TLS, by version. In TLS 1.3 certificates are encrypted: a scan sees them, a
--   monitor does not. A resumed session of any version has none.
-- Needs: connections
-- Keys: version
-- Order: version
-- Chart: columns x=version y=seen_pct,hidden_pct,none_pct n=connections

SELECT coalesce(tls_version, 'not seen') AS version, count(*) AS connections,
       pct(count(*) FILTER (certificates = 'seen'), count(*)) AS seen_pct,
       pct(count(*) FILTER (certificates = 'hidden'), count(*)) AS hidden_pct,
       pct(count(*) FILTER (coalesce(certificates, 'none') = 'none'), count(*)) AS none_pct,
       pct(count(*) FILTER (resumed), count(*)) AS resumed_pct
FROM monitored
WHERE established
GROUP BY 1
ORDER BY 1;
