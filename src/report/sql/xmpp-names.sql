-- Section IV-D: Names in certificates of XMPP servers
--
-- Question: Whose servers are on the ports of XMPP?
-- Population: servers on the ports of XMPP whose TLS handshake completed, by the common name of their first certificate.
-- Note: The paper's numbers are of port 5223.
-- Needs: handshakes
-- Keys: protocol, common_name
-- Paper:
--   protocol | common_name | servers_pct
--   xmpps-client | incapsula.com | 48
--   xmpps-client | courier.push.apple.com | 12
--   xmpps-client | *.push.samsungosp.com | 8

SELECT protocol, coalesce(subject_cn, '(none)') AS common_name, count(*) AS servers,
       pct(count(*), sum(count(*)) OVER (PARTITION BY protocol)) AS servers_pct,
       sum(count(*)) OVER (PARTITION BY protocol)::BIGINT AS of_servers
FROM scan_results JOIN certificates ON sha256 = leaf_sha256
WHERE protocol LIKE 'xmpp%' AND tls_version IS NOT NULL
GROUP BY protocol, subject_cn
QUALIFY row_number() OVER (PARTITION BY protocol ORDER BY count(*) DESC, common_name) <= coalesce(getvariable('top'), 10)
ORDER BY study_order(protocol), servers DESC, common_name;
