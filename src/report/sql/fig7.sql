-- Figure 7: How often a public key is used
--
-- Question: How many public keys occur on one address only, and how many on at least so many?
-- Population: distinct public keys of first certificates of servers whose TLS handshake completed; keys is their number.
--   For each protocol, and for all together, where an address counts once whatever its ports.
-- Needs: handshakes
-- Keys: protocol, addresses
-- Order: addresses
-- Chart: ccdf x=addresses y=keys_pct by=protocol n=keys
-- Paper:
--   protocol | addresses | exactly_pct
--   all | 1 | 15

WITH places AS (
    SELECT DISTINCT protocol, spki_sha256, ip
    FROM scan_results JOIN certificates ON sha256 = leaf_sha256
    WHERE tls_version IS NOT NULL AND spki_sha256 IS NOT NULL
), used AS (
    SELECT protocol, spki_sha256, count(*) AS addresses FROM places GROUP BY ALL
    UNION ALL
    SELECT 'all', spki_sha256, count(*) FROM (SELECT DISTINCT spki_sha256, ip FROM places) GROUP BY ALL
), frequencies AS (
    SELECT protocol, addresses, count(*) AS keys FROM used GROUP BY ALL
), grid AS (
    SELECT unnest([1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 10000,
                   15000, 20000, 30000, 50000, 70000, 100000, 200000, 500000, 1000000]) AS addresses
)
SELECT protocol, grid.addresses,
       coalesce(sum(keys) FILTER (frequencies.addresses = grid.addresses), 0)::BIGINT AS exactly,
       pct(exactly, sum(keys)) AS exactly_pct,
       round(100.0 * coalesce(sum(keys) FILTER (frequencies.addresses >= grid.addresses), 0) / sum(keys), 6)::DOUBLE AS keys_pct,
       sum(keys)::BIGINT AS keys
FROM frequencies CROSS JOIN grid
GROUP BY protocol, grid.addresses HAVING max(frequencies.addresses) >= grid.addresses
ORDER BY protocol = 'all', study_order(protocol), protocol, grid.addresses;
