-- Since 2015: Signatures of certificates
--
-- Question: By which algorithms are first certificates signed, and is SHA-1 gone?
-- Population: servers whose TLS handshake completed, by their first certificate; and these certificates, each once. Weak are
--   signatures with SHA-1 and MD5.
-- Needs: handshakes
-- Keys: algorithm
-- Chart: columns x=algorithm y=servers_pct,certificates_pct n=servers

WITH used AS (
    SELECT leaf_sha256 AS sha256, count(*) AS servers FROM scan_results
    WHERE tls_version IS NOT NULL AND leaf_sha256 IS NOT NULL GROUP BY ALL
), counted AS (
    SELECT coalesce(signature_algorithm, 'unreadable') AS algorithm, sum(servers)::BIGINT AS servers, count(*) AS certificates
    FROM used JOIN certificates USING (sha256) GROUP BY 1
), ranked AS (
    SELECT *, row_number() OVER (ORDER BY servers DESC, algorithm) AS rank FROM counted
)
SELECT CASE WHEN rank <= coalesce(getvariable('top'), 10) THEN ranked.algorithm ELSE 'other' END AS algorithm,
       CASE WHEN bool_or(regexp_matches(lower(ranked.algorithm), 'sha-?1([^0-9]|$)|md[245]')) THEN 'yes' ELSE 'no' END AS weak,
       sum(ranked.servers)::BIGINT AS servers, pct(sum(ranked.servers), (SELECT sum(servers) FROM counted)) AS servers_pct,
       sum(ranked.certificates)::BIGINT AS certificates,
       pct(sum(ranked.certificates), (SELECT sum(certificates) FROM counted)) AS certificates_pct
FROM ranked
GROUP BY 1
ORDER BY min(rank);
