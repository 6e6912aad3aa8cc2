-- Section IV-C: Groups of elliptic-curve key exchange
--
-- Question: Which curves and other groups are used for key exchange by ECDHE?
-- Population: servers, and connections, of the class ECDHE (question fig3), TLS 1.3 among them.
-- Note: A hybrid group joins a curve to a key encapsulation that withstands quantum computers. Where no group was seen the
--   session was resumed, or a part of the handshake is missing.
-- Needs: handshakes -> servers, servers_pct
-- Needs: connections -> connections, connections_pct
-- Keys: group, kind
-- Chart: sources x=group y=servers_pct n=servers
-- Chart: sources x=group y=connections_pct n=connections
-- Paper:
--   group | kind | connections_pct
--   secp256r1 | curve | 97.2
--   secp384r1 | curve | 2
--   sect571r1 | curve | 0.78

WITH active AS (
    SELECT coalesce(tls_group, 'not seen') AS "group", count(*) AS servers
    FROM scan_results WHERE tls_version IS NOT NULL AND tls_cipher_class = 'ECDHE' GROUP BY ALL
), passive AS (
    SELECT coalesce(tls_group, 'not seen') AS "group", count(*) AS connections
    FROM monitored WHERE established AND tls_cipher_class = 'ECDHE' GROUP BY ALL
)
SELECT "group", CASE WHEN "group" = 'not seen' THEN NULL
                     WHEN starts_with("group", 'MLKEM') THEN 'post-quantum'
                     WHEN regexp_matches("group", 'MLKEM|Kyber|CECPQ2') THEN 'hybrid' ELSE 'curve' END AS kind,
       coalesce(servers, 0) AS servers, pct(coalesce(servers, 0), sum(servers) OVER ()) AS servers_pct,
       coalesce(connections, 0) AS connections, pct(coalesce(connections, 0), sum(connections) OVER ()) AS connections_pct
FROM active FULL JOIN passive USING ("group")
ORDER BY coalesce(servers, 0) DESC, coalesce(connections, 0) DESC, "group";
