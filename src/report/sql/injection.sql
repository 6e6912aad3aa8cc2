-- Since 2015: Bytes between the reply to STARTTLS and TLS
--
-- Question: How many servers say something in the clear after they agreed to STARTTLS?
-- Population: servers that agreed to STARTTLS. Such bytes let an attacker slip in answers (response injection; the study NO
--   STARTTLS, 2021); here they come from the server itself, or from what stands before it.
-- Needs: handshakes
-- Keys: protocol

SELECT protocol, count(*) AS servers, count(*) FILTER (starttls_injected > 0) AS injecting,
       pct(count(*) FILTER (starttls_injected > 0), count(*)) AS injecting_pct,
       count(*) FILTER (starttls_injected > 0 AND tls_version IS NOT NULL) AS injecting_and_tls
FROM scan_results
WHERE starttls_accepted
GROUP BY protocol
ORDER BY study_order(protocol), protocol;
