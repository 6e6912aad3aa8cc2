-- Table II: Connections and servers, passive
--
-- Question: How many TLS connections go to how many servers of each protocol?
-- Population: monitored connections that came to TLS; a server is an address and a port. Servers with certificates as
--   Tor makes them are left out, as in every passive table.
-- Needs: connections
-- Note: The paper's 7,849,434 connections of submission are the responders of its Table I, by a slip: of all its 9,730,095
--   connections 54,434 remain for submission.
-- Keys: protocol
-- Paper:
--   protocol | connections | servers
--   smtp | 3870542 | 8626
--   smtps | 37306 | 266
--   submission | 7849434 | 373
--   imap | 25900 | 239
--   imaps | 4620043 | 1196
--   pop3 | 18774 | 110
--   pop3s | 159702 | 341
--   irc | 53 | 2
--   ircs | 18238 | 15
--   xmpp-client | 13517 | 229
--   xmpps-client | 911411 | 2163
--   xmpp-server | 175 | 2
--   xmpps-server | 0 | 0
--   all | 9730095 | -

SELECT coalesce(monitored.protocol, 'all') AS protocol, count(*) FILTER (established) AS connections,
       count(DISTINCT (server_ip, server_port)) FILTER (established) AS servers
FROM monitored
GROUP BY ROLLUP (monitored.protocol)
HAVING count(*) > 0
ORDER BY grouping(monitored.protocol), study_order(monitored.protocol), monitored.protocol;
