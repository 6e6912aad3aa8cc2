-- Since 2015: Newer authentication mechanisms
--
-- Question: How far have SCRAM and OAuth come?
-- Population: servers that advertised at least one mechanism inside TLS. SCRAM plus binds the login to the TLS channel
--   (RFC 5802); OAuth is OAUTHBEARER (RFC 7628) or XOAUTH2; plaintext is PLAIN or LOGIN.
-- Needs: handshakes
-- Keys: protocol
-- Chart: columns x=protocol y=scram_pct,scram_plus_pct,oauth_pct,external_pct,plaintext_pct n=servers

WITH offered AS (
    SELECT protocol, ' ' || array_to_string(auth_after, ' ') || ' ' AS mechanisms FROM scan_results
    WHERE tls_version IS NOT NULL AND len(auth_after) > 0
)
SELECT protocol, count(*) AS servers,
       pct(count(*) FILTER (contains(mechanisms, ' SCRAM-')), count(*)) AS scram_pct,
       pct(count(*) FILTER (regexp_matches(mechanisms, ' SCRAM-[^ ]*-PLUS ')), count(*)) AS scram_plus_pct,
       pct(count(*) FILTER (contains(mechanisms, ' OAUTHBEARER ') OR contains(mechanisms, ' XOAUTH2 ')), count(*)) AS oauth_pct,
       pct(count(*) FILTER (contains(mechanisms, ' EXTERNAL ')), count(*)) AS external_pct,
       pct(count(*) FILTER (contains(mechanisms, ' PLAIN ') OR contains(mechanisms, ' LOGIN ')), count(*)) AS plaintext_pct
FROM offered
GROUP BY protocol
ORDER BY study_order(protocol), protocol;
