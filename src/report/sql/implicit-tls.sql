-- Since 2015: TLS from the first byte (RFC 8314)
--
-- Question: Do hosts offer TLS by a port of its own, by STARTTLS, or both?
-- Population: addresses whose TLS handshake completed on at least one port of the service.
-- Note: In 2015 port 465 was deprecated; since RFC 8314 (2018) it is preferred to STARTTLS.
-- Needs: handshakes
-- Keys: service
-- Chart: columns x=service y=direct_only_pct,both_pct,starttls_only_pct n=addresses

WITH services AS (
    SELECT ip, CASE protocol WHEN 'smtps' THEN 'submission' WHEN 'imaps' THEN 'imap' WHEN 'pop3s' THEN 'pop3'
                    WHEN 'ircs' THEN 'irc' WHEN 'xmpps-client' THEN 'xmpp-client' WHEN 'xmpps-server' THEN 'xmpp-server'
                    ELSE protocol END AS service,
           bool_or(protocol IN ('smtps', 'imaps', 'pop3s', 'ircs', 'xmpps-client', 'xmpps-server')) AS direct,
           bool_or(protocol IN ('submission', 'imap', 'pop3', 'irc', 'xmpp-client', 'xmpp-server')) AS starttls
    FROM scan_results
    WHERE tls_version IS NOT NULL AND protocol NOT IN ('smtp', 'https', 'managesieve')
    GROUP BY ALL
)
SELECT service, count(*) AS addresses,
       pct(count(*) FILTER (direct AND NOT starttls), count(*)) AS direct_only_pct,
       pct(count(*) FILTER (direct AND starttls), count(*)) AS both_pct,
       pct(count(*) FILTER (starttls AND NOT direct), count(*)) AS starttls_only_pct
FROM services
GROUP BY service
ORDER BY study_order(service);
