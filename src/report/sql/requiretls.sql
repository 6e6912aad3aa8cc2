-- Since 2015: Extensions of SMTP about security
--
-- Question: How many mail servers offer REQUIRETLS (RFC 8689) and what else is new?
-- Population: servers of SMTP, SMTPS and SUBMISSION that listed capabilities inside TLS.
-- Needs: handshakes
-- Keys: protocol

WITH listed AS (
    SELECT protocol, [upper(split_part(line, ' ', 1)) FOR line IN capabilities_after] AS keywords FROM scan_results
    WHERE protocol IN ('smtp', 'smtps', 'submission') AND tls_version IS NOT NULL AND len(capabilities_after) > 0
)
SELECT protocol, count(*) AS servers,
       count(*) FILTER (list_contains(keywords, 'REQUIRETLS')) AS requiretls, pct(requiretls, count(*)) AS requiretls_pct,
       pct(count(*) FILTER (list_contains(keywords, 'SMTPUTF8')), count(*)) AS smtputf8_pct,
       pct(count(*) FILTER (list_contains(keywords, 'CHUNKING')), count(*)) AS chunking_pct,
       pct(count(*) FILTER (list_contains(keywords, 'PIPELINING')), count(*)) AS pipelining_pct,
       pct(count(*) FILTER (list_contains(keywords, 'STARTTLS')), count(*)) AS starttls_again_pct
FROM listed
GROUP BY protocol
ORDER BY study_order(protocol);
