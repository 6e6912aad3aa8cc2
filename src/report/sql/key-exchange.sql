-- Since 2015: Key exchange of any kind
--
-- Question: How are keys exchanged, TLS 1.3 and hybrid groups included?
-- Population: active: servers whose TLS handshake completed. Passive: connections that came to TLS.
-- Note: Static is key exchange by the server's RSA key, without forward secrecy. A hybrid group joins a curve to a key
--   encapsulation that withstands quantum computers. The paper found neither X25519 (RFC 7748,
--   2016) nor hybrid groups.
-- Needs: handshakes -> servers, servers_pct
-- Needs: connections -> connections, connections_pct
-- Keys: kind, group
-- Chart: sources x=group y=servers_pct n=servers
-- Chart: sources x=group y=connections_pct n=connections

WITH offers AS (
    SELECT 'active' AS side, tls_group, tls_cipher_class, tls_dh_bits FROM scan_results WHERE tls_version IS NOT NULL
    UNION ALL
    SELECT 'passive', tls_group, tls_cipher_class, tls_dh_bits FROM monitored WHERE established
), named AS (
    SELECT side,
           CASE WHEN tls_group IS NOT NULL THEN tls_group
                WHEN tls_dh_bits IS NOT NULL THEN 'prime of ' || tls_dh_bits || ' bits'
                WHEN tls_cipher_class = 'ECDHE' THEN 'group not seen'
                WHEN tls_cipher_class = 'DHE' THEN 'prime not seen'
                ELSE 'none' END AS "group",
           CASE WHEN starts_with(tls_group, 'MLKEM') THEN 'post-quantum'
                WHEN regexp_matches(tls_group, 'MLKEM|Kyber|CECPQ2') THEN 'hybrid'
                WHEN starts_with(tls_group, 'ffdhe') OR tls_cipher_class = 'DHE' THEN 'finite field'
                WHEN tls_group IS NOT NULL OR tls_cipher_class = 'ECDHE' THEN 'curve'
                ELSE 'static' END AS kind
    FROM offers
)
SELECT kind, "group", count(*) FILTER (side = 'active') AS servers,
       pct(count(*) FILTER (side = 'active'), (SELECT count(*) FROM offers WHERE side = 'active')) AS servers_pct,
       count(*) FILTER (side = 'passive') AS connections,
       pct(count(*) FILTER (side = 'passive'), (SELECT count(*) FROM offers WHERE side = 'passive')) AS connections_pct
FROM named
GROUP BY kind, "group"
ORDER BY servers DESC, connections DESC, kind, "group";
