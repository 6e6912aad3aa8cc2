-- Since 2015: Keys of certificates
--
-- Question: Which kinds of keys do first certificates have?
-- Population: servers whose TLS handshake completed, by their first certificate; and these certificates, each once.
-- Needs: handshakes
-- Keys: key
-- Chart: columns x=key y=servers_pct,certificates_pct n=servers

WITH used AS (
    SELECT leaf_sha256 AS sha256, count(*) AS servers FROM scan_results
    WHERE tls_version IS NOT NULL AND leaf_sha256 IS NOT NULL GROUP BY ALL
), counted AS (
    SELECT CASE WHEN key_curve IS NOT NULL THEN 'EC ' || key_curve
                WHEN key_type IN ('RSA', 'DSA') THEN key_type || ' ' || key_bits
                ELSE coalesce(key_type, 'unreadable') END AS key,
           sum(servers)::BIGINT AS servers, count(*) AS certificates
    FROM used JOIN certificates USING (sha256) GROUP BY 1
), ranked AS (
    SELECT *, row_number() OVER (ORDER BY servers DESC, key) AS rank FROM counted
)
SELECT CASE WHEN rank <= coalesce(getvariable('top'), 10) THEN ranked.key ELSE 'other' END AS key,
       sum(ranked.servers)::BIGINT AS servers, pct(sum(ranked.servers), (SELECT sum(servers) FROM counted)) AS servers_pct,
       sum(ranked.certificates)::BIGINT AS certificates,
       pct(sum(ranked.certificates), (SELECT sum(certificates) FROM counted)) AS certificates_pct
FROM ranked
GROUP BY 1
ORDER BY min(rank);
