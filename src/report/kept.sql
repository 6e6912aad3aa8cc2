-- What many questions stand on, computed once and kept in memory: of the views' columns those that questions use. Hashes
-- are shortened to numbers, in the same order; 128 bits tell them apart.
ATTACH ':memory:' AS kept (COMPRESS);

CREATE OR REPLACE TEMP MACRO number(hash) AS CAST(hash[1:16]::BIT AS UHUGEINT);

CREATE TABLE kept.certificates AS
SELECT number(sha256) AS sha256, subject, subject_cn, issuer, issuer_cn, self_issued, not_before, not_after, key_type,
       key_bits, key_curve, number(spki_sha256) AS spki_sha256, signature_algorithm, scts
FROM certificates;

CREATE TABLE kept.chains AS
SELECT number(chain_id) AS chain_id, [number(hash) FOR hash IN certificates] AS certificates FROM chains;

CREATE TABLE kept.verdicts AS
SELECT number(chain_id) AS chain_id, valid, self_signed, expired, not_yet_valid, missing_intermediate, unknown_root,
       bad_signature, other, issued_by_root_directly, weak_sha1, weak_md5, weak_rsa, weak_v1
FROM verdicts;

CREATE TABLE kept.scan_results AS
SELECT ip, port, protocol, outcome, greeting_us, rung, software, starttls_offered, starttls_accepted, starttls_injected,
       tls_version, tls_cipher_class, tls_group, tls_dh_bits, tls_alpn, tls_ocsp, tls_ocsp_status, tls_scts,
       number(chain_id) AS chain_id, number(leaf_sha256) AS leaf_sha256,
       capabilities_before, capabilities_after, auth_after
FROM scan_results;

CREATE TABLE kept.connections AS
SELECT protocol, server_ip, server_ipv4, server_port, client_alpn, starttls_offered, capabilities_before, auth_before, auth_clear,
       established, resumed, tls_version, tls_cipher_class, tls_group, tls_dh_bits, tls_ocsp, certificates,
       number(chain_id) AS chain_id, number(leaf_sha256) AS leaf_sha256
FROM connections;

CREATE OR REPLACE TEMP VIEW certificates AS
SELECT *, lpad(lower(hex(sha256)), 32, '0') AS sha256_hex FROM kept.certificates;
CREATE OR REPLACE TEMP VIEW chains AS SELECT * FROM kept.chains;
CREATE OR REPLACE TEMP VIEW verdicts AS SELECT * FROM kept.verdicts;
CREATE OR REPLACE TEMP VIEW scan_results AS SELECT * FROM kept.scan_results;
CREATE OR REPLACE TEMP VIEW connections AS SELECT * FROM kept.connections;
CREATE TABLE kept.monitored AS SELECT * FROM monitored;
CREATE OR REPLACE TEMP VIEW monitored AS SELECT * FROM kept.monitored;
