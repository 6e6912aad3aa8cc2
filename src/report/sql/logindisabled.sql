-- Section IV-G: IMAP servers that refuse logins before encryption
--
-- Question: How many IMAP servers say LOGINDISABLED before STARTTLS?
-- Population: active: IMAP servers that listed capabilities before encryption. Passive: monitored connections on IMAP with
--   such a list, and their servers (address and port).
-- Needs: handshakes -> servers, servers_pct, logindisabled_servers
-- Needs: connections -> connections, connections_pct, used_servers, used_servers_pct
-- Keys: protocol
-- Paper:
--   protocol | used_servers_pct | connections_pct
--   imap | 31 | 16

WITH active AS (
    SELECT protocol, count(*) AS servers,
           count(*) FILTER (list_contains([upper(word) FOR word IN capabilities_before], 'LOGINDISABLED')) AS disabled
    FROM scan_results WHERE protocol = 'imap' AND len(capabilities_before) > 0 GROUP BY protocol
), listed AS (
    SELECT protocol, server_ip, server_port,
           list_contains([upper(word) FOR word IN capabilities_before], 'LOGINDISABLED') AS disabled
    FROM monitored WHERE protocol = 'imap' AND len(capabilities_before) > 0
), passive AS (
    SELECT protocol, count(*) AS connections, count(*) FILTER (disabled) AS disabled_connections,
           count(DISTINCT (server_ip, server_port)) AS used_servers,
           count(DISTINCT (server_ip, server_port)) FILTER (disabled) AS disabled_servers
    FROM listed GROUP BY protocol
)
SELECT protocol, servers, disabled AS logindisabled_servers, pct(disabled, servers) AS servers_pct,
       used_servers, pct(disabled_servers, used_servers) AS used_servers_pct,
       connections, pct(disabled_connections, connections) AS connections_pct
FROM active FULL JOIN passive USING (protocol);
