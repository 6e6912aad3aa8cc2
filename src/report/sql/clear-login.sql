-- Section IV-G: Logins without encryption, passive
--
-- Question: How many clients that do not upgrade give their password in plain text?
-- Population: monitored connections of protocols with STARTTLS that did not come to TLS. Plain text: the mechanisms PLAIN
--   and LOGIN, and the commands that send a password.
-- Needs: connections
-- Keys: protocol
-- Paper:
--   protocol | plaintext_pct
--   submission | 71

SELECT protocol, count(*) AS connections, count(*) FILTER (auth_clear IS NOT NULL) AS logins,
       pct(count(*) FILTER (auth_clear IS NOT NULL), count(*)) AS logins_pct,
       count(*) FILTER (auth_clear IN ('PLAIN', 'LOGIN', 'USER', 'LOGIN command', 'PASS', 'jabber:iq:auth')) AS plaintext,
       pct(plaintext, count(*)) AS plaintext_pct
FROM monitored
WHERE protocol IN ('smtp', 'submission', 'imap', 'pop3', 'irc', 'xmpp-client', 'xmpp-server', 'managesieve')
      AND established IS NOT TRUE
GROUP BY protocol
ORDER BY study_order(protocol);
