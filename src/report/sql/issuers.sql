-- Since 2015: Who issues certificates
--
-- Question: Which organisations have issued the certificates, and how large is Let's Encrypt?
-- Population: servers whose TLS handshake completed, by the organisation in the issuer's name of their first certificate; and
--   these certificates, each once. Self-issued certificates are one line; the line other adds
--   up the issuers below it, and says how many kinds there are.
-- Needs: handshakes
-- Keys: issuer
-- Chart: columns x=issuer y=servers_pct,certificates_pct n=servers

WITH used AS (
    SELECT leaf_sha256 AS sha256, count(*) AS servers FROM scan_results
    WHERE tls_version IS NOT NULL AND leaf_sha256 IS NOT NULL GROUP BY ALL
), counted AS (
    SELECT CASE WHEN self_issued THEN '(self-issued)'
                ELSE coalesce(nullif(regexp_replace(regexp_extract(issuer, '(?:^|[,+])O=((?:\\.|[^,+\\])*)', 1),
                                                    '\\([^0-9a-fA-F])', '\1', 'g'), ''),
                              issuer_cn, '(none)') END AS issuer,
           sum(servers)::BIGINT AS servers, count(*) AS certificates
    FROM used JOIN certificates USING (sha256) GROUP BY 1
), ranked AS (
    SELECT *, row_number() OVER (ORDER BY servers DESC, issuer) AS rank FROM counted
)
SELECT CASE WHEN rank <= coalesce(getvariable('top'), 10) THEN ranked.issuer ELSE 'other' END AS issuer,
       sum(ranked.servers)::BIGINT AS servers, pct(sum(ranked.servers), (SELECT sum(servers) FROM counted)) AS servers_pct,
       sum(ranked.certificates)::BIGINT AS certificates,
       pct(sum(ranked.certificates), (SELECT sum(certificates) FROM counted)) AS certificates_pct,
       CASE WHEN min(rank) > coalesce(getvariable('top'), 10) THEN count(*) END AS kinds
FROM ranked
GROUP BY 1
ORDER BY min(rank);
