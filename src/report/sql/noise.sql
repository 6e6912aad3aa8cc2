-- Section III-A: Background noise
--
-- Question: How many addresses answer a SYN on ports where nobody is expected, and never complete a handshake?
-- Population: probes of scan --noise, for each of the paper's five ports and each seed; responders sent a valid SYN-ACK;
--   who never completed the handshake sent nothing more. From run.json.
-- Note: The paper found 0.07 to 0.1 % responders, every time.
-- Note: Other scans have no such probes. `starling scan --noise -o noise` makes them; its folder is one dataset:
--   `starling report noise/`.
-- Needs: runs
-- Keys: port, seed
-- Order: port, seed

WITH parts AS (
    SELECT TRY_CAST(regexp_extract(run->>'$.config.services[0]', '([0-9]+)$', 1) AS INTEGER) AS port,
           (run->>'$.config.seed') AS seed, TRY_CAST(run->>'$.ledger.probes' AS BIGINT) AS probes,
           TRY_CAST(run->>'$.ledger.answers' AS BIGINT) AS responders,
           TRY_CAST(run->>'$.outcomes.silent_after_synack' AS BIGINT) AS never_completed
    FROM runs
)
SELECT port, seed, probes, responders, pct(responders, probes) AS responders_pct,
       never_completed, pct(never_completed, probes) AS never_completed_pct
FROM parts
WHERE port IN (1337, 7583, 46721, 58976, 65322)
ORDER BY port, seed;
