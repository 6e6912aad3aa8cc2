-- Figure 4: Errors in certificate chains, active
--
-- Question: How many servers have a chain that is valid, and what is wrong with the others?
-- Population: servers whose TLS handshake completed and whose chain was judged. In % of those of the protocol.
-- Note: Flags overlap, so a line may add up to more than 100 %. Broken: an issuer is missing, or the root is not in the
--   store; a self-signed certificate is none of these. Other: a wrong signature, not valid yet, or what verify calls
--   other.
-- Note: The paper has a figure without numbers; its text says that 30 to 40 % of the chains of e-mail servers are valid,
--   and 10 to 15 % broken.
-- Needs: handshakes
-- Needs: verdicts
-- Keys: protocol
-- Chart: columns x=protocol y=valid_pct,self_signed_pct,expired_pct,broken_pct,other_pct n=servers

SELECT protocol, count(*) AS servers,
       pct(count(*) FILTER (valid), count(*)) AS valid_pct,
       pct(count(*) FILTER (self_signed), count(*)) AS self_signed_pct,
       pct(count(*) FILTER (expired), count(*)) AS expired_pct,
       pct(count(*) FILTER ((missing_intermediate OR unknown_root) AND NOT self_signed), count(*)) AS broken_pct,
       pct(count(*) FILTER (other OR bad_signature OR not_yet_valid), count(*)) AS other_pct
FROM scan_results JOIN verdicts USING (chain_id)
WHERE tls_version IS NOT NULL
GROUP BY protocol
ORDER BY study_order(protocol), protocol;
