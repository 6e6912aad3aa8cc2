-- Section IV-G: Passwords in plain text
--
-- Question: How many servers leave nothing but PLAIN and LOGIN, and what would a client use that follows their order?
-- Population: servers of SUBMISSION and IMAPS that advertised at least one mechanism inside TLS. Any plaintext: PLAIN or
--   LOGIN; only plaintext: nothing else; plaintext first: one of these stands first; challenge: at least one of CRAM,
--   DIGEST and SCRAM.
-- Needs: handshakes
-- Keys: protocol
-- Chart: sources x=protocol y=only_plaintext_pct n=servers
-- Paper:
--   protocol | any_plaintext_pct | only_plaintext_pct | plaintext_first_pct | challenge_pct
--   submission | 99.27 | 84.86 | 96.19 | 15.5
--   imaps | 96.66 | 87.43 | 89.35 | 12.04

SELECT protocol, count(*) AS servers,
       pct(count(*) FILTER (list_has_any(auth_after, ['PLAIN', 'LOGIN'])), count(*)) AS any_plaintext_pct,
       pct(count(*) FILTER (list_has_all(['PLAIN', 'LOGIN'], auth_after)), count(*)) AS only_plaintext_pct,
       pct(count(*) FILTER (auth_after[1] IN ('PLAIN', 'LOGIN')), count(*)) AS plaintext_first_pct,
       pct(count(*) FILTER (regexp_matches(array_to_string(auth_after, ' '), '(^| )(CRAM|DIGEST|SCRAM)-')), count(*))
           AS challenge_pct
FROM scan_results
WHERE protocol IN ('submission', 'imaps') AND tls_version IS NOT NULL AND len(auth_after) > 0
GROUP BY protocol
ORDER BY study_order(protocol);
