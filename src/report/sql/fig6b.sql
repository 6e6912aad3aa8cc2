-- Figure 6b: How often a certificate is used, valid ones
--
-- Question: How likely is it that a certificate occurs on at least so many addresses?
-- Population: distinct first certificates that servers presented in a valid chain,
--   for each protocol; certificates is their number. An address that speaks a protocol on two ports counts twice.
-- Note: The paper has a figure without numbers.
-- Needs: handshakes
-- Needs: verdicts
-- Keys: protocol, addresses
-- Order: addresses
-- Chart: ccdf x=addresses y=certificates_pct by=protocol n=certificates

WITH used AS (
    SELECT protocol, scan_results.leaf_sha256, count(*) AS addresses
    FROM scan_results JOIN verdicts USING (chain_id)
    WHERE tls_version IS NOT NULL AND scan_results.leaf_sha256 IS NOT NULL AND valid
    GROUP BY ALL
), frequencies AS (
    SELECT protocol, addresses, count(*) AS certificates FROM used GROUP BY ALL
), grid AS (
    SELECT unnest([1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 10000,
                   15000, 20000, 30000, 50000, 70000, 100000, 200000, 500000, 1000000]) AS addresses
)
SELECT protocol, grid.addresses,
       coalesce(sum(certificates) FILTER (frequencies.addresses >= grid.addresses), 0)::BIGINT AS on_that_many,
       round(100.0 * on_that_many / sum(certificates), 6)::DOUBLE AS certificates_pct, sum(certificates)::BIGINT AS certificates
FROM frequencies CROSS JOIN grid
GROUP BY protocol, grid.addresses HAVING max(frequencies.addresses) >= grid.addresses
ORDER BY study_order(protocol), protocol, grid.addresses;
