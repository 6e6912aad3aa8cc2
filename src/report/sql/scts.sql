-- Since 2015: Certificate Transparency
--
-- Question: How many servers show that their certificate was logged?
-- Population: servers whose TLS handshake completed. Signed certificate timestamps come inside the certificate or in the TLS
--   extension (RFC 6962).
-- Needs: handshakes
-- Keys: protocol
-- Chart: columns x=protocol y=any_pct,in_certificate_pct,in_tls_pct n=servers

SELECT protocol, count(*) AS servers,
       pct(count(*) FILTER (coalesce(scts, 0) > 0 OR coalesce(tls_scts, 0) > 0), count(*)) AS any_pct,
       pct(count(*) FILTER (coalesce(scts, 0) > 0), count(*)) AS in_certificate_pct,
       pct(count(*) FILTER (coalesce(tls_scts, 0) > 0), count(*)) AS in_tls_pct
FROM scan_results LEFT JOIN certificates ON sha256 = leaf_sha256
WHERE tls_version IS NOT NULL
GROUP BY protocol
ORDER BY study_order(protocol), protocol;
