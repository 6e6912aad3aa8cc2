-- Section III-B: Certificates as Tor makes them, passive
--
-- Question: How much of the traffic goes to Tor relays on the ports of mail and chat?
-- Population: monitored connections whose first certificate has only a common name, www.(random).com or .net, and an issuer of
--   the same kind with another name. All other passive tables leave the servers of these connections out.
-- Needs: connections
-- Keys: protocol
-- Paper:
--   protocol | connections | servers | certificates
--   all | 9082 | 110 | 3728

SELECT coalesce(protocol, 'all') AS protocol, count(*) AS connections,
       count(DISTINCT (server_ip, server_port)) AS servers, count(DISTINCT leaf_sha256) AS certificates
FROM connections JOIN certificates ON sha256 = leaf_sha256
WHERE tor_like(subject, issuer)
GROUP BY ROLLUP (connections.protocol)
ORDER BY grouping(connections.protocol), study_order(connections.protocol), connections.protocol;
