-- Table I: Hosts, handshakes and certificates by port
--
-- Question: How many hosts answer on each port, how many of them come to TLS, and how many certificates do they have?
-- Population: responders are targets with a valid SYN-ACK; TLS are those of them whose TLS handshake completed, after all
--   rungs, in % of responders; certificates are distinct first certificates of those, in % of them; intermediates are
--   further certificates that they presented, self-issued ones left out, and how many of these are distinct.
-- Note: A port on which nothing was said has the name that the study gives it. Background noise, hosts that answer any SYN, counts among the responders (question noise).
-- Note: In the paper's line of xmpp-client the certificates are those of xmpps-client, their share and the intermediates those
--   of xmpp-server: a slip.
-- Needs: hosts -> responders, tls_pct
-- Needs: handshakes -> tls, tls_pct, certificates, certificates_pct, intermediates, distinct_intermediates, distinct_intermediates_pct
-- Keys: protocol, port
-- Order: port
-- Chart: sources x=protocol y=tls_pct n=responders
-- Paper:
--   protocol | port | responders | tls | tls_pct | certificates | certificates_pct | intermediates | distinct_intermediates | distinct_intermediates_pct
--   smtp | 25 | 12488000 | 3848843 | 30.82 | 1373751 | 35.69 | 2243846 | 23462 | 1.05
--   smtps | 465 | 7234817 | 3437382 | 47.51 | 800574 | 23.29 | 2583786 | 10357 | 0.4
--   submission | 587 | 7849434 | 3378009 | 43.03 | 753691 | 22.31 | 2580305 | 16070 | 0.62
--   imap | 143 | 8006617 | 4076809 | 50.91 | 1024757 | 25.14 | 2406987 | 12913 | 0.54
--   imaps | 993 | 6297805 | 4121108 | 65.43 | 1053110 | 25.55 | 2791451 | 16700 | 0.6
--   pop3 | 110 | 8930688 | 4074211 | 45.62 | 998013 | 24.5 | 2325032 | 10135 | 0.44
--   pop3s | 995 | 5186724 | 2797300 | 53.93 | 747508 | 26.72 | 1795814 | 7876 | 0.44
--   irc | 6667 | 2573207 | 3709 | 0.14 | 3003 | 80.97 | 638 | 84 | 13.17
--   ircs | 6697 | 1948656 | 8661 | 0.44 | 6332 | 73.11 | 2551 | 315 | 12.35
--   xmpp-client | 5222 | 2188813 | 53544 | 2.44 | 38916 | 63.61 | 5927 | 1913 | 32.28
--   xmpps-client | 5223 | 2223994 | 70441 | 3.16 | 38916 | 55.25 | 32629 | 2773 | 8.5
--   xmpp-server | 5269 | 2459666 | 9780 | 0.39 | 6221 | 63.61 | 5927 | 1913 | 32.28
--   xmpps-server | 5270 | 2046204 | 1693 | 0.08 | 1146 | 67.69 | 783 | 147 | 18.77
--   https | 443 | 42676912 | 27252853 | 63.85 | 8598188 | 31.55 | 24555475 | 227321 | 0.93

WITH responders AS (
    SELECT port, count(*) AS responders FROM hosts WHERE answer = 'syn_ack' GROUP BY port
), study AS (
    SELECT unnest(['smtp', 'smtps', 'submission', 'imap', 'imaps', 'pop3', 'pop3s', 'irc', 'ircs', 'xmpp-client', 'xmpps-client',
                   'xmpp-server', 'xmpps-server', 'https']) AS name,
           unnest([25, 465, 587, 143, 993, 110, 995, 6667, 6697, 5222, 5223, 5269, 5270, 443]) AS port
), ports AS (
    SELECT port, any_value(protocol) AS protocol FROM scan_results GROUP BY port
), secured AS (
    SELECT port, leaf_sha256, chain_id FROM scan_results WHERE tls_version IS NOT NULL
), servers AS (
    SELECT port, count(*) AS tls, count(DISTINCT leaf_sha256) AS certificates FROM secured GROUP BY port
), presented AS (
    SELECT port, chain_id, count(*) AS servers FROM secured GROUP BY ALL
), further AS (
    SELECT chain_id, unnest(certificates[2:]) AS sha256 FROM chains
), intermediates AS (
    SELECT port, sum(servers)::BIGINT AS intermediates, count(DISTINCT sha256) AS distinct_intermediates
    FROM presented JOIN further USING (chain_id)
    WHERE sha256 NOT IN (SELECT sha256 FROM certificates WHERE self_issued)
    GROUP BY port
)
SELECT coalesce(protocol, study.name, 'port ' || port) AS protocol, port, coalesce(responders, 0) AS responders,
       coalesce(tls, 0) AS tls, pct(coalesce(tls, 0), responders) AS tls_pct,
       coalesce(certificates, 0) AS certificates, pct(certificates, tls) AS certificates_pct,
       coalesce(intermediates, 0) AS intermediates, coalesce(distinct_intermediates, 0) AS distinct_intermediates,
       pct(distinct_intermediates, intermediates) AS distinct_intermediates_pct
FROM responders FULL JOIN ports USING (port) LEFT JOIN study USING (port) LEFT JOIN servers USING (port) LEFT JOIN intermediates USING (port)
ORDER BY study_order(coalesce(protocol, study.name)), port;
