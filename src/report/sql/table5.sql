-- Table V: Common names of frequent invalid certificates
--
-- Question: Which invalid certificates are on most servers of SMTP, IMAPS and XMPP?
-- Population: servers of these protocols whose TLS handshake completed and whose chain is not valid. A line is a
--   certificate, not a name.
-- Needs: handshakes
-- Needs: verdicts
-- Keys: protocol, rank
-- Order: rank
-- Paper:
--   protocol | rank | common_name | servers
--   smtp | 1 | localhost/emailAddress=webaster@localhost | 35000
--   smtp | 2 | *.bizmw.com | 34000
--   smtp | 3 | localhost (Qmail Toaster) | 17000
--   smtp | 4 | localhost/emailAddress=webaster@localhost | 16000
--   smtp | 5 | localhost/emailAddress=webaster@localhost | 6000
--   smtp | 6 | localhost (Qmail Toaster) | 5000
--   smtp | 7 | plesk/emailAddress=info@plesk.com | 5000
--   smtp | 8 | localhost/emailAddress=webaster@localhost | 5000
--   smtp | 9 | localhost (Qmail Toaster) | 4000
--   smtp | 10 | localhost/emailAddress=webaster@localhost | 4000
--   imaps | 1 | *.securesites.com | 88000
--   imaps | 2 | *.sslcert35.com | 31000
--   imaps | 3 | localhost/emailAddress=webaster@localhost | 27000
--   imaps | 4 | localhost/emailAddress=webaster@localhost | 21000
--   imaps | 5 | *.he.net | 19000
--   imaps | 6 | www.update.microsoft.com | 19000
--   imaps | 7 | *.securesites.net | 11000
--   imaps | 8 | *.cbeyondhosting2.com | 11000
--   imaps | 9 | *.hostingterra.com | 11000
--   imaps | 10 | plesk/emailAddress=info@plesk.com | 6000
--   xmpp-client | 1 | onex | 2000
--   xmpp-client | 2 | s2548.pbxtra.fonality.com | 1000
--   xmpp-client | 3 | k66.ru/emailAddress=postmaster@k66.ru | 500
--   xmpp-client | 4 | hub.clickmyheart.net | 400
--   xmpp-client | 5 | John Doe | 400
--   xmpp-client | 6 | java2go | 300
--   xmpp-client | 7 | localhost | 200
--   xmpp-client | 8 | nt-home.ipworldcom | 200
--   xmpp-client | 9 | mail.visn.net/emailAddress=postmaster@mail.visn.net | 200
--   xmpp-client | 10 | cic-la-plata | 200

WITH frequent AS (
    SELECT protocol, h.leaf_sha256 AS sha256, count(*) AS servers
    FROM scan_results h JOIN verdicts USING (chain_id)
    WHERE protocol IN ('smtp', 'imaps', 'xmpp-client') AND tls_version IS NOT NULL AND NOT valid
    GROUP BY protocol, h.leaf_sha256
    QUALIFY row_number() OVER (PARTITION BY protocol ORDER BY count(*) DESC, h.leaf_sha256) <= coalesce(getvariable('top'), 10)
)
SELECT protocol, row_number() OVER (PARTITION BY protocol ORDER BY servers DESC, sha256) AS rank,
       coalesce(subject_cn, '(none)') AS common_name, servers, left(sha256_hex, 16) AS certificate
FROM frequent LEFT JOIN certificates USING (sha256)
ORDER BY study_order(protocol), rank;
