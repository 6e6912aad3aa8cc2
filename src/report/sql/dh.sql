-- Section IV-C: Moduli of finite-field Diffie-Hellman
--
-- Question: How long are the primes of DHE?
-- Population: servers, and connections, of the class DHE (question fig3) whose prime was seen, or whose group of RFC 7919
--   says it.
-- Needs: handshakes -> servers, servers_pct
-- Needs: connections -> connections, connections_pct
-- Keys: bits
-- Order: bits
-- Chart: sources x=bits y=servers_pct n=servers
-- Chart: sources x=bits y=connections_pct n=connections
-- Paper:
--   bits | connections_pct
--   768 | 1.4
--   1024 | 76
--   2048 | 22

WITH active AS (
    SELECT coalesce(tls_dh_bits, TRY_CAST(regexp_extract(tls_group, '^ffdhe([0-9]+)$', 1) AS UINTEGER)) AS bits,
           count(*) AS servers
    FROM scan_results WHERE tls_version IS NOT NULL AND tls_cipher_class = 'DHE' GROUP BY ALL
), passive AS (
    SELECT coalesce(tls_dh_bits, TRY_CAST(regexp_extract(tls_group, '^ffdhe([0-9]+)$', 1) AS UINTEGER)) AS bits,
           count(*) AS connections
    FROM monitored WHERE established AND tls_cipher_class = 'DHE' GROUP BY ALL
)
SELECT bits, coalesce(servers, 0) AS servers, pct(coalesce(servers, 0), sum(servers) OVER ()) AS servers_pct,
       coalesce(connections, 0) AS connections, pct(coalesce(connections, 0), sum(connections) OVER ()) AS connections_pct
FROM (FROM active WHERE bits IS NOT NULL) FULL JOIN (FROM passive WHERE bits IS NOT NULL) USING (bits)
ORDER BY bits;
