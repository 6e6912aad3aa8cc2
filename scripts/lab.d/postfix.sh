# shellcheck shell=bash
# Postfix: one instance, a personality an address and port.

# One personality: address, port, protocol, what it is, smtpd options that differ from main.cf.
postfix_server() {
    local address=$1 port=$2 protocol=$3 what=$4 option
    shift 4
    server "$address" "$port" "$protocol" "Postfix: $what"
    echo "$address:$port inet n - n - - smtpd"
    for option in "$@"; do echo "  -o { $option }"; done
}

write_postfix() {
    local conf=$dir/postfix spool=$dir/postfix/spool
    mkdir -p "$conf/data" "$spool"/{pid,private,public}
    chown postfix "$conf/data" "$spool/private"
    chown postfix:postdrop "$spool/public"
    chmod 700 "$conf/data" "$spool/private"
    chmod 710 "$spool/public"

    cat >"$conf/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $spool
data_directory = $conf/data
maillog_file = $dir/log/postfix.log
maillog_file_prefixes = $dir
myhostname = mail.example
mynetworks =
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
notify_classes =
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_relay_restrictions = reject
smtpd_tls_security_level = none
smtpd_tls_cert_file = $dir/pki/mail.crt
smtpd_tls_key_file = $dir/pki/mail.key
smtpd_sasl_type = dovecot
smtpd_sasl_auth_enable = no
postscreen_access_list =
postscreen_cache_map =
postscreen_greet_action = enforce
CONF

    # tlsmgr, anvil and postlogd are what smtpd needs beside it; nothing here could deliver a message.
    {
        echo "tlsmgr unix - - n 1000? 1 tlsmgr"
        echo "anvil unix - - n - 1 anvil"
        echo "postlog unix-dgram n - n - 1 postlogd"
        postfix_server 198.18.1.10 25 smtp "STARTTLS, self-signed certificate, AUTH inside TLS only" \
            "smtpd_tls_security_level = may" "smtpd_sasl_auth_enable = yes" "smtpd_sasl_path = private/auth-mixed" \
            "smtpd_tls_auth_only = yes"
        postfix_server 198.18.1.77 25 smtp "STARTTLS, AUTH lists differ before and inside TLS, also as AUTH=" \
            "smtpd_tls_security_level = may" "smtpd_sasl_auth_enable = yes" "smtpd_sasl_path = private/auth-mixed" \
            "smtpd_sasl_security_options = noanonymous, noplaintext" "smtpd_sasl_tls_security_options = noanonymous" \
            "broken_sasl_auth_clients = yes"
        postfix_server 198.18.2.25 25 smtp "no STARTTLS, AUTH in the clear" \
            "smtpd_sasl_auth_enable = yes" "smtpd_sasl_path = private/auth-plain"
        postfix_server 198.18.2.200 25 smtp "offers STARTTLS and refuses it with 454 (no certificate file)" \
            "smtpd_tls_security_level = may" "smtpd_tls_cert_file = $dir/pki/absent.crt"
        postfix_server 198.18.3.3 25 smtp "greets with 554" \
            "smtpd_delay_reject = no" "smtpd_client_restrictions = reject"
        postfix_server 198.18.4.14 25 smtp "STARTTLS, TLS 1.2 only" \
            "smtpd_tls_security_level = may" "smtpd_tls_protocols = TLSv1.2" "smtpd_sasl_auth_enable = yes" \
            "smtpd_sasl_path = private/auth-plain"
        postfix_server 198.18.6.250 25 smtp "STARTTLS, TLS 1.3 only, ECDSA certificate and intermediate" \
            "smtpd_tls_security_level = may" "smtpd_tls_protocols = TLSv1.3" \
            "smtpd_tls_chain_files = $dir/pki/www.key, $dir/pki/www.chain"  \
            "smtpd_tls_cert_file =" "smtpd_tls_key_file ="
        if [ "$LAB_SET" = study ]; then write_postfix_study; fi
    } >"$conf/master.cf"
}

# The ports of mail clients, and postscreen, which greets a new client after six seconds.
write_postfix_study() {
    postfix_server 198.18.1.10 587 submission "STARTTLS before AUTH" \
        "smtpd_tls_security_level = encrypt" "smtpd_sasl_auth_enable = yes" "smtpd_sasl_path = private/auth-mixed"
    postfix_server 198.18.1.77 465 smtps "AUTH inside TLS" \
        "smtpd_tls_wrappermode = yes" "smtpd_sasl_auth_enable = yes" "smtpd_sasl_path = private/auth-mixed"
    server 198.18.1.25 25 smtp "Postfix: postscreen, greets after six seconds"
    echo "198.18.1.25:25 inet n - n - 1 postscreen"
    echo "smtpd pass - - n - - smtpd"
    echo "  -o { smtpd_tls_security_level = may }"
}

serve_postfix() {
    MAIL_CONFIG=$dir/postfix "$(postconf -hd daemon_directory)/master" -d &
}
