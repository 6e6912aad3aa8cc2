-- Table VII: Certificates on several servers, passive
--
-- Question: How many certificates are seen on more than one address, and how many of them are valid?
-- Population: distinct first certificates of monitored connections that came to TLS, for each protocol and for all
--   together; duplicate if two or more addresses have it; valid if it was presented in a valid chain.
-- Needs: connections
-- Needs: verdicts -> valid_duplicates, valid_duplicates_pct
-- Keys: protocol
-- Paper:
--   protocol | certificates | duplicates | duplicates_pct | valid_duplicates | valid_duplicates_pct
--   smtp | - | 877 | - | 656 | -
--   smtps | - | 36 | - | 36 | -
--   submission | - | 46 | - | 46 | -
--   imap | - | 29 | - | 28 | -
--   imaps | - | 119 | - | 111 | -
--   pop3 | - | 12 | - | 12 | -
--   pop3s | - | 43 | - | 41 | -
--   ircs | - | 3 | - | 3 | -
--   xmpp-client | - | 35 | - | 0 | -
--   all | 6398 | 1096 | 17 | - | 78

WITH uses AS (
    SELECT protocol, server_ip, c.leaf_sha256 AS sha256, coalesce(valid, false) AS valid
    FROM monitored c LEFT JOIN verdicts USING (chain_id)
    WHERE established AND c.leaf_sha256 IS NOT NULL
), seen AS (
    SELECT protocol, sha256, count(DISTINCT server_ip) AS addresses, bool_or(valid) AS valid FROM uses GROUP BY ALL
    UNION ALL
    SELECT 'all', sha256, count(DISTINCT server_ip), bool_or(valid) FROM uses GROUP BY sha256
)
SELECT protocol, count(*) AS certificates, count(*) FILTER (addresses >= 2) AS duplicates,
       pct(duplicates, certificates) AS duplicates_pct,
       count(*) FILTER (addresses >= 2 AND valid) AS valid_duplicates,
       pct(valid_duplicates, duplicates) AS valid_duplicates_pct
FROM seen
GROUP BY protocol
ORDER BY study_order(protocol), protocol = 'all', protocol;
