-- Section IV-F: Certificates issued by a root directly
--
-- Question: How many valid chains do without an intermediate, so that a root's key must be at hand?
-- Population: servers whose TLS handshake completed and whose chain is valid.
-- Needs: handshakes
-- Needs: verdicts
-- Keys: protocol
-- Paper:
--   protocol | direct | direct_pct
--   smtp | 794 | 0.07
--   submission | - | 0.08
--   smtps | - | 0.5
--   ircs | 1 | -
--   xmpp-client | 2 | -
--   xmpps-client | 14 | -
--   xmpp-server | 1 | -
--   xmpps-server | 1 | -

SELECT protocol, count(*) FILTER (valid) AS valid_servers, count(*) FILTER (valid AND issued_by_root_directly) AS direct,
       pct(direct, valid_servers) AS direct_pct
FROM scan_results JOIN verdicts USING (chain_id)
WHERE tls_version IS NOT NULL
GROUP BY protocol
ORDER BY study_order(protocol), protocol;
