-- Since 2015: Weak links in valid chains
--
-- Question: How many valid chains rest on SHA-1, MD5, short RSA keys or certificates of version 1?
-- Population: servers whose TLS handshake completed and whose chain is valid.
-- Needs: handshakes
-- Needs: verdicts
-- Keys: protocol

SELECT protocol, count(*) FILTER (valid) AS valid_servers,
       pct(count(*) FILTER (valid AND weak_sha1), count(*) FILTER (valid)) AS sha1_pct,
       pct(count(*) FILTER (valid AND weak_md5), count(*) FILTER (valid)) AS md5_pct,
       pct(count(*) FILTER (valid AND weak_rsa), count(*) FILTER (valid)) AS short_rsa_pct,
       pct(count(*) FILTER (valid AND weak_v1), count(*) FILTER (valid)) AS version_1_pct
FROM scan_results JOIN verdicts USING (chain_id)
WHERE tls_version IS NOT NULL
GROUP BY protocol
ORDER BY study_order(protocol), protocol;
