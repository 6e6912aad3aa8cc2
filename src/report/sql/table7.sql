-- Table VII: Certificates on several servers, passive
--
-- Question: How many certificates are seen on more than one address, and how many of them are valid?
-- Population: distinct first certificates of monitored connections that came to TLS; duplicate if two or more addresses
--   have it; valid if it was presented in a valid chain.
-- Needs: connections -> certificates, duplicates, duplicates_pct
-- Needs: verdicts -> valid_duplicates, valid_duplicates_pct
-- Keys: protocol
-- Paper:
--   protocol | duplicates | valid_duplicates
--   smtp | 877 | 656
--   smtps | 36 | 36
--   submission | 46 | 46
--   imap | 29 | 28
--   imaps | 119 | 111
--   pop3 | 12 | 12
--   pop3s | 43 | 41
--   ircs | 3 | 3
--   xmpp-client | 35 | 0

WITH seen AS (
    SELECT protocol, c.leaf_sha256, count(DISTINCT server_ip) AS addresses, bool_or(coalesce(valid, false)) AS valid
    FROM monitored c LEFT JOIN verdicts USING (chain_id)
    WHERE established AND c.leaf_sha256 IS NOT NULL GROUP BY ALL
)
SELECT protocol, count(*) AS certificates, count(*) FILTER (addresses >= 2) AS duplicates,
       pct(duplicates, certificates) AS duplicates_pct,
       count(*) FILTER (addresses >= 2 AND valid) AS valid_duplicates,
       pct(valid_duplicates, duplicates) AS valid_duplicates_pct
FROM seen
GROUP BY protocol
ORDER BY study_order(protocol), protocol;
