# shellcheck shell=bash
# OpenSMTPD. Debian 12's shows its chain and then fails each TLS handshake by alert internal_error (its issues
# 1171 and 1239), which is a finding too.

write_opensmtpd() {
    local address=198.18.3.27
    server $address 25 smtp "OpenSMTPD: STARTTLS that fails by an alert"
    server $address 587 submission "OpenSMTPD: no STARTTLS"
    server $address 465 smtps "OpenSMTPD: TLS that fails by an alert"
    install -m 600 "$dir/pki/mail.key" "$dir/opensmtpd.key"
    cat >"$dir/opensmtpd.conf" <<CONF
pki lab cert "$dir/pki/mail.crt"
pki lab key "$dir/opensmtpd.key"
listen on $address port 25 tls pki lab hostname opensmtpd.example
listen on $address port 587 hostname opensmtpd.example
listen on $address port 465 smtps pki lab hostname opensmtpd.example
match from any for any reject
CONF
}

serve_opensmtpd() {
    mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty
    chmod 711 /var/spool/smtpd
    smtpd -d -f "$dir/opensmtpd.conf" &
}
