-- Beyond the paper: Server software
--
-- Question: Which software do servers name, and how many of its servers come to TLS?
-- Population: targets that sent a greeting, by the name that stands in it; unnamed if none of the known ones does.
-- Needs: handshakes
-- Keys: protocol, software

SELECT protocol, coalesce(software, 'unnamed') AS software, count(*) AS servers,
       pct(count(*), sum(count(*)) OVER (PARTITION BY protocol)) AS servers_pct,
       sum(count(*)) OVER (PARTITION BY protocol)::BIGINT AS of_servers,
       count(*) FILTER (tls_version IS NOT NULL) AS tls, pct(tls, servers) AS tls_pct
FROM scan_results
WHERE greeting_us IS NOT NULL
GROUP BY protocol, scan_results.software
QUALIFY row_number() OVER (PARTITION BY protocol ORDER BY count(*) DESC, software) <= coalesce(getvariable('top'), 10)
ORDER BY study_order(protocol), protocol, servers DESC, software;
