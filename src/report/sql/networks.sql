-- Beyond the paper: Autonomous systems with most servers
--
-- Question: Where are the servers, and how many of them come to TLS?
-- Population: targets that answered, by the AS that announces their address. AS 0 stands for none.
-- Needs: handshakes
-- Needs: prefixes
-- Needs: as_names -> registration
-- Needs: as_ranks -> rank
-- Keys: asn

WITH places AS (
    SELECT coalesce(CASE WHEN ip <= last_ip THEN origin_as END, 0) AS asn, tls_version
    FROM (SELECT ip, tls_version FROM scan_results) ASOF LEFT JOIN prefixes ON ip >= first_ip
)
SELECT asn, any_value(name) AS registration, any_value(rank) AS rank, count(*) AS servers,
       count(*) FILTER (tls_version IS NOT NULL) AS tls, pct(tls, servers) AS tls_pct
FROM places LEFT JOIN as_names USING (asn) LEFT JOIN as_ranks USING (asn)
GROUP BY asn
ORDER BY servers DESC, asn
LIMIT (SELECT coalesce(getvariable('top'), 10));
