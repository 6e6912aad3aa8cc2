-- Table III: STARTTLS, supported and used
--
-- Question: How many servers can be upgraded by STARTTLS, and how many connections are?
-- Population: active: responders of the port, upgraded if TLS was reached. Passive: servers and connections of which a
--   list of capabilities was seen; upgraded are the connections that came to TLS.
-- Needs: hosts -> responders, upgraded_pct
-- Needs: handshakes -> responders, offered, upgraded, upgraded_pct
-- Needs: connections -> servers, supporting_servers_pct, connections, offering_connections_pct, upgraded_connections_pct
-- Keys: protocol
-- Chart: sources x=protocol y=upgraded_pct n=responders
-- Chart: sources x=protocol y=offering_connections_pct n=connections
-- Chart: sources x=protocol y=upgraded_connections_pct n=connections
-- Paper:
--   protocol | upgraded_pct | supporting_servers_pct | offering_connections_pct | upgraded_connections_pct
--   smtp | 30.82 | 59 | 97 | 94
--   submission | 43.03 | 98 | 99.9 | 97
--   imap | 50.91 | 77 | 70 | 44
--   pop3 | 45.62 | 55 | 73 | 62
--   irc | 0.14 | - | - | -
--   xmpp-client | 2.44 | - | - | -
--   xmpp-server | 0.39 | - | - | -

WITH upgradable AS (
    SELECT unnest(['smtp', 'submission', 'imap', 'pop3', 'irc', 'xmpp-client', 'xmpp-server', 'managesieve']) AS protocol
), answers AS (
    SELECT protocol, count(*) AS responders FROM hosts
    JOIN (SELECT port, any_value(protocol) AS protocol FROM scan_results GROUP BY port) USING (port)
    WHERE answer = 'syn_ack' GROUP BY protocol
), active AS (
    SELECT protocol, count(*) FILTER (starttls_offered) AS offered, count(*) FILTER (tls_version IS NOT NULL) AS upgraded
    FROM scan_results GROUP BY protocol
), listed AS (
    SELECT protocol, server_ip, server_port, starttls_offered, coalesce(established, false) AS established
    FROM monitored WHERE starttls_offered IS NOT NULL
), passive_servers AS (
    SELECT protocol, count(*) AS servers, count(*) FILTER (offered) AS supporting
    FROM (SELECT protocol, server_ip, server_port, bool_or(starttls_offered) AS offered FROM listed GROUP BY ALL)
    GROUP BY protocol
), passive AS (
    SELECT protocol, count(*) AS connections, count(*) FILTER (starttls_offered) AS offering,
           count(*) FILTER (established) AS upgraded_connections
    FROM listed GROUP BY protocol
)
SELECT protocol, responders, offered, upgraded, pct(upgraded, responders) AS upgraded_pct,
       servers, pct(supporting, servers) AS supporting_servers_pct,
       connections, pct(offering, connections) AS offering_connections_pct,
       pct(upgraded_connections, connections) AS upgraded_connections_pct
FROM upgradable LEFT JOIN answers USING (protocol) LEFT JOIN active USING (protocol)
LEFT JOIN passive_servers USING (protocol) LEFT JOIN passive USING (protocol)
WHERE coalesce(responders, offered, connections) IS NOT NULL
ORDER BY study_order(protocol);
