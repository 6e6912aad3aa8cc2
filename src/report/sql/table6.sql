-- Table VI: Autonomous systems that have one suspicious certificate
--
-- Question: In which ASes are the servers with a certificate that should not be there?
-- Population: servers whose first certificate has the common name given by `--certificate` and whose chain is not valid;
--   without a name, those with the invalid certificate that is on most servers. The paper followed
--   www.update.microsoft.com. Of several origins of a prefix the one that most peers of the collector see counts.
-- Needs: handshakes
-- Needs: verdicts
-- Needs: prefixes
-- Needs: as_names -> registration
-- Needs: as_ranks -> rank
-- Keys: asn
-- Order: asn
-- Paper:
--   asn | registration | rank
--   3257 | TINET-BACKBONE Tinet SpA, DE | 9532
--   3731 | AFNCA-ASN - AFNCA Inc., US | 4804
--   4250 | ALENT-ASN-1 - Alentus Corporation, US | 9180
--   4436 | AS-GTT-4436 - nLayer Communications, Inc., US | 10730
--   6762 | SEABONE-NET TELECOM ITALIA SPARKLE S.p.A., IT | 11887
--   11346 | CIAS - Critical Issue Inc., US | 557
--   13030 | INIT7 Init7 (Switzerland) Ltd., CH | 6255
--   14618 | Amazon.com Inc., US | 4139
--   16509 | Amazon.com Inc., US | 3143
--   18779 | EGIHOSTING - EGIHosting, US | 4712
--   21321 | ARETI-AS Areti Internet Ltd.,GB | 2828
--   23352 | SERVERCENTRAL - Server Central Network, US | 11135
--   26642 | AFAS - AnchorFree Inc., US | -
--   41095 | IPTP IPTP LTD, NL | 6330
--   54500 | 18779 - EGIHosting, US | -

WITH invalid AS (
    SELECT h.leaf_sha256 AS sha256, ip FROM scan_results h JOIN verdicts USING (chain_id)
    WHERE tls_version IS NOT NULL AND NOT valid
), suspicious AS (
    SELECT sha256, subject_cn FROM invalid JOIN certificates USING (sha256)
    WHERE getvariable('certificate') IS NULL OR subject_cn = getvariable('certificate')::VARCHAR
    GROUP BY sha256, subject_cn
    QUALIFY getvariable('certificate') IS NOT NULL OR row_number() OVER (ORDER BY count(*) DESC, sha256) = 1
), places AS (
    SELECT subject_cn, ip, CASE WHEN ip <= last_ip THEN origin_as END AS asn
    FROM (SELECT subject_cn, ip FROM invalid JOIN suspicious USING (sha256)) ASOF LEFT JOIN prefixes ON ip >= first_ip
)
SELECT asn, any_value(name) AS registration, any_value(rank) AS rank, count(*) AS servers,
       count(DISTINCT ip) AS addresses, any_value(subject_cn) AS common_name
FROM places LEFT JOIN as_names USING (asn) LEFT JOIN as_ranks USING (asn)
GROUP BY asn
ORDER BY asn NULLS LAST;
