-- Beyond the paper: Who needs an older offer
--
-- Question: How many servers come to TLS only when older versions are offered?
-- Population: servers whose TLS handshake completed, by the offer that did it: modern is TLS 1.3 and 1.2 (with or without
--   SNI and ALPN), legacy an offer as made before TLS 1.3, SSL 3 one of nothing else.
-- Needs: handshakes
-- Keys: protocol
-- Chart: columns x=protocol y=modern_pct,legacy_pct,ssl3_pct n=servers

SELECT protocol, count(*) AS servers,
       pct(count(*) FILTER (rung IN ('modern', 'bare')), count(*)) AS modern_pct,
       pct(count(*) FILTER (rung = 'legacy'), count(*)) AS legacy_pct,
       pct(count(*) FILTER (rung = 'ssl3'), count(*)) AS ssl3_pct
FROM scan_results
WHERE tls_version IS NOT NULL
GROUP BY protocol
ORDER BY study_order(protocol), protocol;
