# shellcheck shell=bash
# nginx: web servers, and in the study's set its mail proxy, which is a complete STARTTLS front without a back end.

write_nginx() {
    local tls13=198.18.5.43 tls12=198.18.5.143 any=198.18.1.200 clear=198.18.6.80
    mkdir -p "$dir/nginx"
    server $tls13 443 https "nginx: TLS 1.3 only, ECDSA certificate and intermediate"
    server $tls12 443 https "nginx: TLS 1.2 only, RSA certificate, the server's own order of suites"
    server $any 443 https "nginx: RSA certificate without its intermediate"
    server $clear 443 https "nginx: plain HTTP where TLS is expected"
    {
        [ "$LAB_SET" != study ] || echo "load_module /usr/lib/nginx/modules/ngx_mail_module.so;"
        cat <<CONF
daemon off;
user www-data;
worker_processes 1;
pid $dir/nginx/pid;
error_log $dir/log/nginx.log;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $dir/nginx/body;
    proxy_temp_path $dir/nginx/proxy;
    fastcgi_temp_path $dir/nginx/fastcgi;
    uwsgi_temp_path $dir/nginx/uwsgi;
    scgi_temp_path $dir/nginx/scgi;
    ssl_certificate $dir/pki/imap.chain;
    ssl_certificate_key $dir/pki/imap.key;
    server {
        listen $tls13:443 ssl;
        ssl_protocols TLSv1.3;
        ssl_certificate $dir/pki/www.chain;
        ssl_certificate_key $dir/pki/www.key;
        return 204;
    }
    server {
        listen $tls12:443 ssl;
        ssl_protocols TLSv1.2;
        ssl_prefer_server_ciphers on;
        ssl_ciphers ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256;
        return 204;
    }
    server {
        listen $any:443 ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $dir/pki/imap.crt;
        return 204;
    }
    server {
        listen $clear:443;
        return 204;
    }
}
CONF
        [ "$LAB_SET" != study ] || write_nginx_mail
    } >"$dir/nginx/nginx.conf"
}

# One mail front of nginx: port, protocol, what nginx calls it, directives that differ.
nginx_mail_server() {
    server "$mail" "$1" "$2" "nginx: mail proxy"
    echo "    server { listen $mail:$1 ${5:-}; protocol $3; starttls $4; }"
}

write_nginx_mail() {
    local mail=198.18.5.60
    cat <<CONF
mail {
    server_name proxy.example;
    auth_http 127.0.0.1:9/nobody-logs-in;
    ssl_certificate $dir/pki/www.chain;
    ssl_certificate_key $dir/pki/www.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    smtp_auth login plain cram-md5;
    imap_auth login plain cram-md5;
    pop3_auth plain apop;
    smtp_capabilities "SIZE 10485760" ENHANCEDSTATUSCODES 8BITMIME DSN;
CONF
    nginx_mail_server 25 smtp smtp on
    nginx_mail_server 587 submission smtp only
    nginx_mail_server 465 smtps smtp off ssl
    nginx_mail_server 143 imap imap only
    nginx_mail_server 993 imaps imap off ssl
    nginx_mail_server 110 pop3 pop3 on
    nginx_mail_server 995 pop3s pop3 off ssl
    echo "}"
}

serve_nginx() {
    nginx -p "$dir/nginx" -e "$dir/log/nginx.log" -c "$dir/nginx/nginx.conf" &
}
